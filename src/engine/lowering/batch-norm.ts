import type { OperationDescription } from "../../native/cpu/addon.js";
import { type GraphNode, isValue } from "../../nn/graph/graph.js";
import type { Clamp } from "./clamp.js";
import type { NetworkInMaking } from "./network.js";
import { type LoweringRule, unsupported } from "./rule.js";

/** Of a batch norm, each [C]. */
export interface NormParameters {
  readonly gamma: Float32Array;
  readonly gammaGradient: Float32Array | undefined;
  readonly beta: Float32Array;
  readonly betaGradient: Float32Array | undefined;
  readonly runningMean: Float32Array;
  readonly runningVariance: Float32Array;
  readonly eps: number;
  readonly momentum: number;
  readonly batchStatistics: boolean;
}

export interface BatchNormOperation extends NormParameters {
  readonly kind: "batchNorm";
  readonly input: number;
  readonly output: number;
  /** Added before the clamp. */
  readonly residual?: number | undefined;
  /** In training: the residual is normalised too, by these. */
  readonly residualNorm?: NormParameters | undefined;
  readonly clamp?: Clamp | undefined;
}

export function isBatchNorm(operation: OperationDescription): operation is BatchNormOperation {
  return operation.kind === "batchNorm";
}

export const batchNorm: LoweringRule = {
  operators: ["aten::batch_norm"],
  takesWhatFollows: "always",
  lower(node, network, whole) {
    const residualNorm = whole.residualNorm && normOf(whole.residualNorm, network);
    const [input] = node.arguments;
    const numbers = { input: network.read(input), output: network.number(whole.output) };
    const { residual, clamp } = whole;
    const norm = normOf(node, network);
    network.add<BatchNormOperation>({ kind: "batchNorm", ...numbers, ...norm, residual, residualNorm, clamp });
  },
};

function normOf(node: GraphNode, network: NetworkInMaking): NormParameters {
  const [, gamma, beta, mean, variance, batchStatistics, momentum, eps] = node.arguments;
  if (![gamma, beta, mean, variance].every((value) => value !== undefined && isValue(value))) throw unsupported(node);
  const [gammas, betas] = [network.tensor(gamma), network.tensor(beta)];
  return {
    gamma: network.memory.parameter(gammas),
    gammaGradient: network.gradient(gammas),
    beta: network.memory.parameter(betas),
    betaGradient: network.gradient(betas),
    runningMean: network.memory.parameter(network.tensor(mean)),
    runningVariance: network.memory.parameter(network.tensor(variance)),
    eps: Number(eps),
    momentum: Number(momentum),
    batchStatistics: batchStatistics === true,
  };
}
