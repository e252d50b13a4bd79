import { full, scatterValueInPlace, toDType, unsqueeze } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

export interface LabelSmoothing {
  readonly epsilon: number;
  /** "others": the paper's; "all": what PyTorch, timm and gluon-cv do. */
  readonly spread: "others" | "all";
}

/**
 * Label smoothing (section 5.2, equation 4): the target distribution q of a label y among K classes.
 *
 * - "others": q_y = 1 - eps, q_i = eps / (K - 1) for every other class;
 * - "all": q_i = eps / K for every class, q_y = 1 - eps + eps / K.
 *
 * @param labels [N] integers in [0, classes)
 * @param smoothing false for the hard one-hot distribution
 * @returns [N, classes] float32 on the labels' device
 */
export function targetDistribution(labels: Tensor, classes: number, smoothing: LabelSmoothing | false): Tensor {
  const { epsilon, spread } = smoothing === false ? { epsilon: 0, spread: "all" as const } : smoothing;
  const off = spread === "others" ? epsilon / (classes - 1) : epsilon / classes;
  const on = spread === "others" ? 1 - epsilon : 1 - epsilon + off;
  return scope(() => {
    const [count = 0] = labels.shape;
    const distribution = full([count, classes], off, "float32", labels.device);
    return scatterValueInPlace(distribution, 1, unsqueeze(toDType(labels, "int64"), 1), on);
  });
}
