import { isValue, type Value } from "../../nn/graph/graph.js";
import { CLAMPS, type Clamp, clampOf } from "./clamp.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface AdditionOperation {
  readonly kind: "addition";
  readonly input: number;
  readonly other: number | undefined;
  readonly output: number;
  readonly clamp: Clamp | undefined;
}

/** An addition or a clamp that no other operation does in passing. */
export const addition: LoweringRule = {
  operators: ["aten::add.Tensor", ...CLAMPS],
  lower(node, network) {
    const clamp = clampOf(node);
    const [input, other, alpha = 1] = node.arguments;
    if (!isValue(input) || node.output.shape.length !== 4) throw unsupported(node);
    if (!clamp && (!isValue(other) || other === input || alpha !== 1 || String(other.shape) !== String(input.shape))) {
      throw unsupported(node);
    }
    network.add<AdditionOperation>({
      kind: "addition",
      input: network.read(input),
      other: clamp ? undefined : network.read(other as Value),
      output: network.number(node.output),
      clamp,
    });
  },
};
