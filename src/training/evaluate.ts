import type { ImageSet } from "../data/image-set.js";
import { type InputFormat, prepareImages, prepareLabels } from "../data/prepare-images.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { crossEntropy, equal, narrow, sumAll, topkIndices, unsqueeze } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";

export interface Evaluation {
  /** Fractions of 1. Where there are fewer than five classes, top5 is 1. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cross-entropy against the hard labels. */
  readonly loss: number;
  readonly images: number;
}

const BATCH = 500;

/**
 * Top-1, top-5 and loss on clean hard labels, whatever smoothing or mixup trains against. The model is put into evaluation
 * mode for it and back.
 *
 * @param model with float32 weights
 * @param format the normalisation the model was trained with
 */
export function evaluate(
  model: Module,
  set: ImageSet,
  { format, device }: { format: InputFormat; device: string },
): Evaluation {
  const imageBytes = set.height * set.width * set.channels;
  const wasTraining = model.training;
  model.eval();
  let [right1, right5, loss] = [0, 0, 0];
  try {
    for (let start = 0; start < set.count; start += BATCH) {
      const end = Math.min(start + BATCH, set.count);
      const batch = scope(() =>
        noGradient(() => {
          const images = prepareImages(set.pixels.subarray(start * imageBytes, end * imageBytes), format, device);
          const labels = prepareLabels(set.labels.subarray(start, end), device);
          const logits = model.forward(images);
          const hits = equal(topkIndices(logits, Math.min(5, set.classes.length)), unsqueeze(labels, 1));
          return {
            right1: sumAll(narrow(hits, 1, 0, 1)).item(),
            right5: sumAll(hits).item(),
            loss: crossEntropy(logits, labels).item(),
          };
        }),
      );
      right1 += batch.right1;
      right5 += batch.right5;
      loss += batch.loss * (end - start);
    }
  } finally {
    model.train(wasTraining);
  }
  return { top1: right1 / set.count, top5: right5 / set.count, loss: loss / set.count, images: set.count };
}
