import { type Batch, Loader, type LoaderOptions } from "../data/loading/loader.js";

import { type PreparedBatch, SentBatch } from "./sent-batch.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { InputFormat, Split } from "../data/split.js";
import { KnackError } from "../base/errors.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import {
  addInPlace,
  concatenate,
  crossEntropy,
  equal,
  full,
  mulScalar,
  narrow,
  reshape,
  sumAll,
  toDType,
  topkIndices,
  unsqueeze,
} from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

export interface Evaluation {
  /** Fractions of 1. Where there are fewer than five classes, top5 is 1. */
  readonly top1: number;
  readonly top5: number;
  /** Mean cross-entropy against the hard labels. */
  readonly loss: number;
  readonly images: number;
}

/** Bounds the memory of an evaluation: so many pixels a batch, and so many images. */
const BATCH_PIXELS = 1_600_000;
const BATCH_IMAGES = 500;

/** Gives the images of a split for an evaluation: `all()`. */
export function evaluationLoader(
  set: Split,
  { badPictures, workers }: Pick<LoaderOptions, "badPictures" | "workers">,
): Loader {
  const most = Math.max(1, Math.min(BATCH_IMAGES, Math.floor(BATCH_PIXELS / (set.height * set.width))));
  return new Loader(set, {
    batchSize: Math.min(most, set.count),
    augmentation: "none",
    seed: 0,
    ...(badPictures && { badPictures }),
    workers: kindOf(set).evaluationWorkers(workers),
  });
}

export interface EvaluationOptions {
  /** The normalisation the model was trained with. */
  readonly format: InputFormat;
  readonly device: string;
  /** What computes the model's logits; the model itself by default. */
  readonly logits?: ((images: Tensor) => Tensor) | undefined;
}

/**
 * Top-1, top-5 and loss on clean hard labels, whatever smoothing or mixup trains against. The model is put into evaluation
 * mode for it and back.
 *
 * @param model with float32 weights
 * @param batches the images, each once
 * @throws KnackError where there are no images.
 */
export async function evaluate(
  model: Module,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
  { format, device, logits = (images) => model.forward(images) }: EvaluationOptions,
): Promise<Evaluation> {
  const wasTraining = model.training;
  model.eval();
  let images = 0;
  using sums = full([3], 0, "float64", device);
  try {
    for await (const batch of batches) {
      using sent = new SentBatch(batch, format, device);
      scope(() => noGradient(() => addInPlace(sums, evaluateBatch(sent.prepare(), logits))));
      images += batch.size;
    }
  } finally {
    model.train(wasTraining);
  }
  const [right1 = 0, right5 = 0, loss = 0] = sums.toArray();
  if (images === 0) throw new KnackError("there is no image to evaluate on");
  return { top1: right1 / images, top5: right5 / images, loss: loss / images, images };
}

/** Sums over a batch, float64 [3]: right at once, right among the first five, cross-entropy. They stay on the device: reading them waits for it. */
function evaluateBatch({ images, labels }: PreparedBatch, logitsOf: (images: Tensor) => Tensor): Tensor {
  const logits = logitsOf(images);
  const [count = 0, classes = 1] = logits.shape;
  const hits = equal(topkIndices(logits, Math.min(5, classes)), unsqueeze(labels, 1));
  const loss = mulScalar(toDType(crossEntropy(logits, labels), "float64"), count);
  const sums = [sumAll(narrow(hits, 1, 0, 1)), sumAll(hits), loss];
  return concatenate(
    sums.map((sum) => reshape(toDType(sum, "float64"), [1])),
    0,
  );
}
