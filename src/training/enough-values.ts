import { InputError } from "../base/errors.js";
import { AuxiliaryNetwork } from "../models/auxiliary-network.js";
import { BatchNorm2d } from "../nn/layers/batch-norm2d.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { full } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Refuses a training in which a batch norm would see one value a channel: the value minus its mean is 0 whatever it is, and its variance none. That takes a
 * single image that has become a single pixel, since every part of every step has equally many images.
 *
 * @param model on the CPU, float32; afterwards as before, and in training mode
 * @param shape [N, C, H, W] of what a part of a step sees
 * @throws InputError that names the layer
 */
export function requireEnoughValues(
  model: Module,
  shape: readonly [number, number, number, number],
  { batchSize, accumulation }: { readonly batchSize: number; readonly accumulation: number },
): void {
  const [images, , height, width] = shape;
  if (images > 1) return;
  const starved = oneValueNorms(model, shape)[0];
  if (starved === undefined) return;
  const parts =
    accumulation > 1 ? `batchSize ${batchSize} / accumulation ${accumulation} is 1 image a part` : "batchSize is 1";
  throw new InputError(
    `${parts}, and of an image of ${height}x${width} a single pixel is left at ${starved}: batch normalisation needs more than one value a channel to train; ` +
      `give ${accumulation > 1 ? "a smaller --accumulation" : "a larger --batch-size"}, or larger images`,
  );
}

/** Paths of the batch norms that one image reaches as one pixel. */
function oneValueNorms(model: Module, shape: readonly number[]): string[] {
  const found: string[] = [];
  const norms = [...model.modules()].filter((each): each is [string, BatchNorm2d] => each[1] instanceof BatchNorm2d);
  model.eval();
  // An auxiliary classifier is there in training only.
  model.training = model instanceof AuxiliaryNetwork;
  for (const [path, norm] of norms) {
    norm.forward = (input: Tensor) => {
      if (input.size === norm.channels) found.push(path);
      return BatchNorm2d.prototype.forward.call(norm, input);
    };
  }
  try {
    scope(() =>
      noGradient(() => {
        const images = full(shape, 0);
        return model instanceof AuxiliaryNetwork ? model.forwardWithAuxiliary(images).logits : model.forward(images);
      }),
    );
  } finally {
    for (const [, norm] of norms) Reflect.deleteProperty(norm, "forward");
    model.train();
  }
  return found;
}
