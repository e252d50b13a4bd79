import { noGradient } from "../../tensor/autograd.js";
import { copyInPlace, toDevice } from "../../tensor/ops.js";
import { scope } from "../../tensor/scope.js";
import { Tensor } from "../../tensor/tensor.js";
import { type Graph, type GraphNode, isValue, type NodeArgument, type Value, valuesRead } from "./graph.js";

/** Float32 numbers over a SharedArrayBuffer, for the tensor of that name. */
type Room = (name: string, shape: readonly number[]) => Float32Array;
const freshRoom: Room = (_, shape) =>
  new Float32Array(new SharedArrayBuffer(4 * shape.reduce((product, size) => product * size, 1)));

/**
 * Replaces every convolution that only a batch norm of running statistics reads by one convolution with bias:
 *
 *     scale = gamma / sqrt(variance + eps),  weight' = scale weight,  bias' = scale (bias - mean) + beta
 *
 * computed in float64 and rounded to float32. The new weight keeps its name; its bias is "conv1.bias" beside "conv1.weight".
 * The given graph and its module stay as they are.
 *
 * @param room gives the shared memory that a new tensor is made in; the tensors belong to the scope this is called in
 */
export function foldBatchNorm(graph: Graph, room: Room = freshRoom): Graph {
  const reads = new Map<Value, number>();
  for (const value of [...graph.nodes.flatMap(valuesRead), ...graph.outputs])
    reads.set(value, (reads.get(value) ?? 0) + 1);
  const makers = new Map(graph.nodes.map((node) => [node.output, node]));

  const parameters = new Map(graph.parameters);
  const replaced = new Map<GraphNode, GraphNode | undefined>();
  for (const norm of graph.nodes) {
    if (norm.operator !== "aten::batch_norm") continue;
    const [normalised, gamma, beta, mean, variance, training, , eps] = norm.arguments;
    const convolution = makers.get(normalised as Value);
    if (training !== false || convolution?.operator !== "aten::conv2d") continue;
    const [input, weight, bias, ...geometry] = convolution.arguments;
    // Another reader of the convolution's output or of its weight needs them as they are.
    if (reads.get(convolution.output) !== 1 || reads.get(weight as Value) !== 1) continue;

    const tensors = [weight, bias, gamma, beta, mean, variance].map((value) => tensorOf(graph, value));
    const { name, shape } = weight as Value;
    const newWeight: Value = { name, shape };
    const newBias: Value = { name: name.replace(/weight$/, "bias"), shape: shape.slice(0, 1) };
    const [weightTensor, biasTensor] = fold(tensors, Number(eps), room(name, shape), room(newBias.name, newBias.shape));
    parameters.set(newWeight, weightTensor).set(newBias, biasTensor);
    replaced.set(convolution, undefined);
    replaced.set(norm, { ...convolution, arguments: [input, newWeight, newBias, ...geometry], output: norm.output });
  }
  const nodes = graph.nodes.flatMap((node) => (replaced.has(node) ? (replaced.get(node) ?? []) : node));
  const used = new Set(nodes.flatMap(valuesRead));
  return { ...graph, nodes, parameters: new Map([...parameters].filter(([value]) => used.has(value))) };
}

/** The tensor behind a parameter; undefined for None. */
function tensorOf(graph: Graph, argument: NodeArgument): Tensor | undefined {
  return isValue(argument) ? graph.parameters.get(argument) : undefined;
}

function fold(
  [weight, bias, gamma, beta, mean, variance]: readonly (Tensor | undefined)[],
  eps: number,
  newWeights: Float32Array,
  newBiases: Float32Array,
): [weight: Tensor, bias: Tensor] {
  if (!(weight && mean && variance)) throw new TypeError("foldBatchNorm: a weight or a statistic is no parameter");
  const channels = mean.size;
  const perChannel = (tensor: Tensor | undefined, otherwise: number) =>
    tensor ? tensor.toArray() : new Array<number>(channels).fill(otherwise);
  const [biases, gammas, betas] = [perChannel(bias, 0), perChannel(gamma, 1), perChannel(beta, 0)];
  const [means, variances] = [mean.toArray(), variance.toArray()];
  const scales = gammas.map((value, channel) => value / Math.sqrt((variances[channel] ?? 0) + eps));

  return scope(() => {
    const folded = Tensor.from(newWeights, weight.shape);
    noGradient(() => copyInPlace(folded, weight));
    const perFilter = newWeights.length / channels;
    for (const [channel, scale] of scales.entries()) {
      const end = (channel + 1) * perFilter;
      for (let i = channel * perFilter; i < end; i++) newWeights[i] = (newWeights[i] as number) * scale;
    }
    for (const [c, scale] of scales.entries()) {
      newBiases[c] = scale * ((biases[c] ?? 0) - (means[c] ?? 0)) + (betas[c] ?? 0);
    }
    return [toDevice(folded, weight.device), toDevice(Tensor.from(newBiases, [channels]), weight.device)];
  });
}
