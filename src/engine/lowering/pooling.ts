import type { Quad, WindowGeometry } from "../../native/cpu/addon.js";
import { isValue } from "../../nn/graph/graph.js";
import { type LoweringRule, pairOf, unsupported } from "./rule.js";

interface MaxPoolOperation extends WindowGeometry {
  readonly kind: "maxPool";
  readonly input: number;
  readonly output: number;
}

interface AveragePoolOperation extends WindowGeometry {
  readonly kind: "averagePool";
  readonly input: number;
  readonly output: number;
  readonly countPadding: boolean;
}

export const pooling: LoweringRule = {
  operators: ["aten::max_pool2d", "aten::avg_pool2d"],
  lower(node, network) {
    const isMax = node.operator === "aten::max_pool2d";
    const [input, kernelGiven, strideGiven, paddingGiven] = node.arguments;
    const [dilation, ceil] = isMax ? node.arguments.slice(4) : [1, node.arguments[4]];
    const countPadding = !isMax && (node.arguments[5] ?? true) === true;
    const fixedDivisor = isMax ? undefined : node.arguments[6];
    if (
      !isValue(input) ||
      (dilation ?? 1) !== 1 ||
      (fixedDivisor ?? null) !== null ||
      (ceil === true && countPadding)
    ) {
      throw unsupported(node);
    }
    const kernel = pairOf(kernelGiven);
    const stride = pairOf(strideGiven ?? kernelGiven);
    const [rows, columns] = pairOf(paddingGiven ?? 0);
    // Windows of ceil mode stick out at the bottom and the right.
    const beyond = (axis: 0 | 1, zeros: number) => {
      const [from = 0, to = 0] = [input.shape[axis + 2], node.output.shape[axis + 2]];
      return Math.max(zeros, (to - 1) * stride[axis] + kernel[axis] - from - zeros);
    };
    const padding: Quad = [rows, columns, beyond(0, rows), beyond(1, columns)];
    const places = { input: network.read(input), output: network.number(node.output) };
    if (isMax) network.add<MaxPoolOperation>({ kind: "maxPool", ...places, kernel, stride, padding });
    else network.add<AveragePoolOperation>({ kind: "averagePool", ...places, kernel, stride, padding, countPadding });
  },
};
