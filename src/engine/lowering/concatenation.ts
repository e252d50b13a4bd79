import { isValue } from "../../nn/graph/graph.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface ConcatenationOperation {
  readonly kind: "concatenation";
  readonly inputs: readonly number[];
  readonly output: number;
}

export const concatenation: LoweringRule = {
  operators: ["aten::cat"],
  lower(node, network) {
    const [inputs, dim] = node.arguments;
    if (!Array.isArray(inputs) || dim !== 1 || node.output.shape.length !== 4) throw unsupported(node);
    const values = inputs.filter(isValue);
    // An input that does not fill its last block of channels would leave a gap.
    if (values.slice(0, -1).some(({ shape: [, channels = 0] }) => network.wholeBlocks(channels) !== channels))
      throw unsupported(node);
    const numbers = values.map((value) => network.read(value));
    network.add<ConcatenationOperation>({
      kind: "concatenation",
      inputs: numbers,
      output: network.number(node.output),
    });
  },
};
