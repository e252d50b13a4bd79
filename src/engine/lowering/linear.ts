import { isValue } from "../../nn/graph/graph.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface LinearOperation {
  readonly kind: "linear";
  readonly input: number;
  readonly output: number;
  readonly weight: Float32Array;
  readonly weightGradient: Float32Array | undefined;
  readonly bias: Float32Array | undefined;
  readonly biasGradient: Float32Array | undefined;
}

export const linear: LoweringRule = {
  operators: ["aten::linear"],
  lower(node, network) {
    const [input, weight, bias] = node.arguments;
    if (!isValue(input) || !isValue(weight) || input.shape.length !== 2) throw unsupported(node);
    const weights = network.tensor(weight);
    const biases = isValue(bias) ? network.tensor(bias) : undefined;
    const kind = network.graph.outputs.includes(node.output) ? "output" : "between";
    network.add<LinearOperation>({
      kind: "linear",
      input: network.read(input),
      output: network.number(node.output, kind),
      weight: network.memory.parameter(weights),
      weightGradient: network.gradient(weights),
      bias: biases && network.memory.parameter(biases),
      biasGradient: biases && network.gradient(biases),
    });
  },
};
