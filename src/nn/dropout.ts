import { Generator } from "../tensor/generator.js";
import { bernoulliInPlace, full, mul, mulScalarInPlace } from "../tensor/ops.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module } from "./module.js";

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
    if (this.seed === undefined) throw new Error("Dropout: set its seed before a pass in training mode");
    const kept = 1 - this.p;
    using generator = new Generator(this.seed, input.device);
    using mask = full(input.shape, 0, input.dtype, input.device);
    mulScalarInPlace(bernoulliInPlace(mask, kept, generator), 1 / kept);
    return mul(input, mask);
  }
}
