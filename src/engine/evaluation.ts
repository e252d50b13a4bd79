import type { Module } from "../nn/module.js";
import { COMPUTE_DTYPE, lowerPrecision } from "../nn/precision.js";
import { noGradient } from "../tensor/autograd.js";
import { toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import type { EngineChoice } from "./engine-name.js";
import type { EngineTask } from "./engine.js";
import { compiledInference } from "./inference.js";

/** A network that learns nothing, whatever computes it. */
export interface Evaluation {
  /** @param images [N, C, H, W] float32. @returns logits [N, classes], float32, without a gradient */
  logits(images: Tensor): Tensor;
  /** The model is the caller's. */
  dispose(): void;
}

/**
 * A model's evaluation by the fast engine where that can, else by libtorch.
 *
 * @param model with float32 weights; libtorch's are brought into a lower precision where they are
 * @param shape [C, H, W]
 * @throws InputError where "fast" was asked for and cannot be had, or libtorch does not convolve in that precision
 */
export function evaluationOf(
  model: Module,
  shape: readonly [channels: number, height: number, width: number],
  task: EngineTask & { readonly engine: EngineChoice },
): Evaluation {
  const fast = compiledInference(model, shape, task);
  if (fast) return fast;
  for (const master of lowerPrecision(model, task.precision, task.device).values()) master.dispose();
  const dtype = COMPUTE_DTYPE[task.precision];
  return {
    logits: (images) => noGradient(() => scope(() => toDType(model.forward(toDType(images, dtype)), "float32"))),
    dispose: () => {},
  };
}
