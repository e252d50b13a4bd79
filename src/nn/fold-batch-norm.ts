import { toDevice } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { type Graph, type GraphNode, isValue, type NodeArgument, type Value, valuesRead } from "./graph.js";

/**
 * Replaces every convolution that only a batch norm of running statistics reads by one convolution with bias:
 *
 *     scale = gamma / sqrt(variance + eps),  weight' = scale weight,  bias' = scale (bias - mean) + beta
 *
 * computed in float64 and rounded to float32. The new weight keeps its name; its bias is "conv1.bias" beside "conv1.weight".
 * New tensors belong to the scope this is called in; the given graph and its module stay as they are.
 */
export function foldBatchNorm(graph: Graph): Graph {
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
    const [weightTensor, biasTensor] = fold(tensors, Number(eps));
    const { name, shape } = weight as Value;
    const newWeight: Value = { name, shape };
    const newBias: Value = { name: name.replace(/weight$/, "bias"), shape: shape.slice(0, 1) };
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
): [weight: Tensor, bias: Tensor] {
  if (!(weight && mean && variance)) throw new TypeError("foldBatchNorm: a weight or a statistic is no parameter");
  const channels = mean.size;
  const perChannel = (tensor: Tensor | undefined, otherwise: number) =>
    tensor ? tensor.toArray() : new Array<number>(channels).fill(otherwise);
  const [biases, gammas, betas] = [perChannel(bias, 0), perChannel(gamma, 1), perChannel(beta, 0)];
  const [means, variances] = [mean.toArray(), variance.toArray()];
  const scales = gammas.map((value, channel) => value / Math.sqrt((variances[channel] ?? 0) + eps));

  const weights = new Float32Array(weight.bytes().buffer);
  const perFilter = weights.length / channels;
  const newWeights = new Float32Array(weights.length);
  for (const [channel, scale] of scales.entries()) {
    const end = (channel + 1) * perFilter;
    for (let i = channel * perFilter; i < end; i++) newWeights[i] = (weights[i] as number) * scale;
  }
  const newBiases = scales.map((scale, c) => scale * ((biases[c] ?? 0) - (means[c] ?? 0)) + (betas[c] ?? 0));
  return scope(() => [
    toDevice(Tensor.from(newWeights, weight.shape), weight.device),
    toDevice(Tensor.from(newBiases, [channels]), weight.device),
  ]);
}
