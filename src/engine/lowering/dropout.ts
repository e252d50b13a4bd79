import { isValue } from "../../nn/graph/graph.js";
import { DROPOUT } from "../../nn/layers/dropout.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface MaskOperation {
  readonly kind: "mask";
  readonly input: number;
  readonly output: number;
  /** What the input is multiplied by, [N, C]. */
  readonly mask: Float32Array;
}

export const dropout: LoweringRule = {
  operators: [DROPOUT],
  lower(node, network) {
    const [input, , seed] = node.arguments;
    if (!isValue(input) || input.shape.length !== 2) throw unsupported(node);
    network.add<MaskOperation>({
      kind: "mask",
      input: network.read(input),
      output: network.number(node.output),
      mask: network.memory.mask(Number(seed), network.shape(input)).floats,
    });
  },
};
