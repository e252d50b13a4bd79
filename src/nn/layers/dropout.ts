import { Generator } from "../../tensor/generator.js";
import { asOneCall } from "../../tensor/operator.js";
import { bernoulliInPlace, clone, full, mul, mulScalarInPlace, narrow } from "../../tensor/ops.js";
import { scope } from "../../tensor/scope.js";
import type { Tensor } from "../../tensor/tensor.js";
import { Module } from "../module.js";

/**
 * In training each element becomes 0 with probability `p`, and what stays is scaled by 1 / (1 - p); in evaluation the input
 * itself comes back. What is dropped depends on `seed` alone: whoever trains sets it before each pass.
 */
export class Dropout extends Module {
  seed: number | undefined;
  /** Where several processes share a batch: what is drawn is the mask of the whole batch, of which this one takes its rows. */
  part: BatchPart | undefined;

  constructor(readonly p: number) {
    super();
  }

  /** @throws Error in training mode where no seed was set. */
  override forward(input: Tensor): Tensor {
    if (!this.training) return input;
    const { seed, p, part } = this;
    return asOneCall(DROPOUT, [input, p, seed], () => {
      using mask = dropoutMask(input, p, seed, part);
      return mul(input, mask);
    });
  }
}

/** The rows of a batch that a process has. */
export interface BatchPart {
  readonly start: number;
  /** Rows of the whole batch. */
  readonly whole: number;
}

/** The name under which observers of operator calls see a dropout: (input, p, seed). */
export const DROPOUT = "knack::dropout";

/** What a dropout multiplies its input by: 0 with probability p, else 1 / (1 - p). Of `like`'s shape, dtype and device. */
export function dropoutMask(
  like: Pick<Tensor, "shape" | "dtype" | "device">,
  p: number,
  seed: number | undefined,
  part?: BatchPart | undefined,
): Tensor {
  if (part) {
    const [rows = 0, ...row] = like.shape;
    const whole = { shape: [part.whole, ...row], dtype: like.dtype, device: like.device };
    return scope(() => clone(narrow(dropoutMask(whole, p, seed), 0, part.start, rows)));
  }
  if (seed === undefined) throw new Error("Dropout: set its seed before a pass in training mode");
  const kept = 1 - p;
  using generator = new Generator(seed, like.device);
  const mask = full(like.shape, 0, like.dtype, like.device);
  return mulScalarInPlace(bernoulliInPlace(mask, kept, generator), 1 / kept);
}
