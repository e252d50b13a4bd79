import { noGradient } from "../../tensor/autograd.js";
import { addInPlace, mulScalar, mulScalarInPlace, toDType } from "../../tensor/ops.js";
import { scope } from "../../tensor/scope.js";
import type { Tensor } from "../../tensor/tensor.js";

/** A batch norm. */
interface Norm {
  readonly channels: number;
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly running_mean: Tensor;
  readonly running_var: Tensor;
  readonly momentum: number;
  readonly eps: number;
}

/** The processes whose batches are normalised as one. */
export interface Synchronised {
  /**
   * Normalises float32 [N, C, H, W] by the statistics of all of them.
   *
   * @param values of each channel, in all of them
   * @returns the output, and each channel's mean and variance
   */
  readonly normalise: (input: Tensor, weight: Tensor, bias: Tensor, values: number, eps: number) => readonly Tensor[];
  /** This process's share of the batch's images. */
  readonly share: number;
}

/** Batch normalisation in training by the statistics of whole batches, of which each process has a part. Float32, whatever the input is. */
export function synchronisedBatchNorm(input: Tensor, norm: Norm, { normalise, share }: Synchronised): Tensor {
  const { channels, weight, bias, running_mean, running_var, momentum, eps } = norm;
  return scope(() => {
    const values = Math.round(input.size / channels / share);
    const [output, mean, variance] = normalise(toDType(input, "float32"), weight, bias, values, eps) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    noGradient(() => {
      const unbiased = mulScalar(variance, values / (values - 1));
      for (const [running, now] of [[running_mean, mean] as const, [running_var, unbiased] as const]) {
        addInPlace(mulScalarInPlace(running, 1 - momentum), now, momentum);
      }
    });
    return toDType(output, input.dtype);
  });
}
