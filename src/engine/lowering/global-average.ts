import { isValue } from "../../nn/graph/graph.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface GlobalAverageOperation {
  readonly kind: "globalAverage";
  readonly input: number;
  readonly output: number;
}

export const globalAverage: LoweringRule = {
  operators: ["aten::mean.dim"],
  lower(node, network) {
    const [input, dims] = node.arguments;
    if (!isValue(input) || input.shape.length !== 4 || String(dims) !== "2,3") throw unsupported(node);
    network.add<GlobalAverageOperation>({
      kind: "globalAverage",
      input: network.read(input),
      output: network.number(node.output),
    });
  },
};
