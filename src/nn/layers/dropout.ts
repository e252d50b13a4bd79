import { Generator } from "../../tensor/generator.js";
import { asOneCall } from "../../tensor/operator.js";
import { bernoulliInPlace, full, mul, mulScalarInPlace } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { Module } from "../module.js";

/**
 * In training each element becomes 0 with probability `p`, and what stays is scaled by 1 / (1 - p); in evaluation the input
 * itself comes back. What is dropped depends on `seed` alone: whoever trains sets it before each pass.
 */
export class Dropout extends Module {
  seed: number | undefined;

  constructor(readonly p: number) {
    super();
  }

  /** @throws Error in training mode where no seed was set. */
  override forward(input: Tensor): Tensor {
    if (!this.training) return input;
    const { seed, p } = this;
    return asOneCall(DROPOUT, [input, p, seed], () => {
      using mask = dropoutMask(input, p, seed);
      return mul(input, mask);
    });
  }
}

/** The name under which observers of operator calls see a dropout: (input, p, seed). */
export const DROPOUT = "knack::dropout";

/** What a dropout multiplies its input by: 0 with probability p, else 1 / (1 - p). Of `like`'s shape, dtype and device. */
export function dropoutMask(
  like: Pick<Tensor, "shape" | "dtype" | "device">,
  p: number,
  seed: number | undefined,
): Tensor {
  if (seed === undefined) throw new Error("Dropout: set its seed before a pass in training mode");
  const kept = 1 - p;
  using generator = new Generator(seed, like.device);
  const mask = full(like.shape, 0, like.dtype, like.device);
  return mulScalarInPlace(bernoulliInPlace(mask, kept, generator), 1 / kept);
}
