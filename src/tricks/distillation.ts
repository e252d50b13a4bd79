import { crossEntropy, mulScalar, softmax, sub } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

export interface DistillationLoss {
  /** T; the paper's is 20. */
  readonly temperature: number;
  /** "cross-entropy": the paper's l; "kl": cross-entropy less the teacher's entropy, as timm: the same gradient. */
  readonly loss: "cross-entropy" | "kl";
}

/**
 * The distillation term (section 5.3, equation 6): T^2 l(softmax(r / T), softmax(z / T)), averaged over the batch. The whole
 * loss is l(p, softmax(z)) plus this.
 *
 * @param student the student's logits z, [N, K]
 * @param teacher the teacher's logits r, [N, K], for the same (mixed) images
 * @returns a scalar
 */
export function distillationLoss(student: Tensor, teacher: Tensor, { temperature, loss }: DistillationLoss): Tensor {
  return scope(() => {
    const soft = mulScalar(teacher, 1 / temperature);
    const target = softmax(soft, 1);
    const agreement = crossEntropy(mulScalar(student, 1 / temperature), target);
    const distance = loss === "kl" ? sub(agreement, crossEntropy(soft, target)) : agreement;
    return mulScalar(distance, temperature * temperature);
  });
}
