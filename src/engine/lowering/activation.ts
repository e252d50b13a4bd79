import { type GraphNode, isValue } from "../../nn/graph/graph.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface ActivationOperation {
  readonly kind: "activation";
  readonly input: number;
  readonly output: number;
  /** As activation.cc names it. */
  readonly function: string;
}

/** Activations that are no clamps, of images. */
export const activation: LoweringRule = {
  operators: ["aten::silu", "aten::sigmoid", "aten::gelu", "aten::hardswish"],
  lower(node, network) {
    const [input] = node.arguments;
    if (!isValue(input) || input.shape.length !== 4) throw unsupported(node);
    // Of NaN oneDNN's gradient makes a number.
    if (node.operator === "aten::hardswish" && network.options.training) throw unsupported(node);
    network.add<ActivationOperation>({
      kind: "activation",
      input: network.read(input),
      output: network.number(node.output),
      function: functionOf(node),
    });
  },
};

function functionOf({ operator, arguments: [, approximate] }: GraphNode): string {
  const name = operator.replace("aten::", "");
  return name === "gelu" && approximate === "tanh" ? "gelu by tanh" : name;
}
