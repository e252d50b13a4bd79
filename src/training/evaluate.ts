import { KnackError } from "../base/errors.js";
import { type Batch, Loader, type LoaderOptions } from "../data/loading/loader.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { InputFormat, LabelledSet, Split } from "../data/split.js";
import { METRICS } from "../metrics/index.js";
import type { Metric, MetricValues } from "../metrics/metric.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { concatenate } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { SentBatch } from "./sent-batch.js";

export interface Evaluation {
  readonly images: number;
  /** Every metric's value by its name, also where it says nothing for so few classes. */
  readonly metrics: MetricValues;
}

/** What an evaluation saw of one image. */
export interface EvaluatedImage {
  /** Its place among the images evaluated, from 0. */
  readonly index: number;
  readonly label: number;
  /** [classes], of float32. */
  readonly logits: readonly number[];
}

/** There was no image, or none that could be read. */
export class NothingToEvaluate extends KnackError {
  constructor() {
    super("there is no image to evaluate on");
  }
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
  /** The normalisation the model was trained with, and the classes. */
  readonly format: InputFormat & Pick<LabelledSet, "classes">;
  readonly device: string;
  /** What computes the model's logits; the model itself by default. */
  readonly logits?: ((images: Tensor) => Tensor) | undefined;
  /** What is measured, at least one; all that there is by default. */
  readonly metrics?: readonly Metric[] | undefined;
  /** Told of every image in turn. It makes each batch wait for the device. */
  readonly seen?: ((image: EvaluatedImage) => void) | undefined;
}

/**
 * Metrics on clean hard labels, whatever targets are trained against. The model is put into evaluation mode for it and back.
 *
 * @param model with float32 weights
 * @param batches the images, each once
 * @throws NothingToEvaluate where there are no images; what `seen` throws.
 */
export async function evaluate(
  model: Module,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
  { format, device, logits: logitsOf = (images) => model.forward(images), metrics = METRICS, seen }: EvaluationOptions,
): Promise<Evaluation> {
  const wasTraining = model.training;
  model.eval();
  let images = 0;
  const sums = metrics.map((metric) => metric.init(format.classes.length, device));
  try {
    for await (const batch of batches) {
      using sent = new SentBatch(batch, format, device);
      scope(() =>
        noGradient(() => {
          const prepared = sent.prepare();
          const logits = logitsOf(prepared.images);
          for (const [index, { update }] of metrics.entries()) {
            update(sums[index] as Tensor, { logits, labels: prepared.labels });
          }
          if (seen) for (const image of imagesOf(logits, batch, images)) seen(image);
        }),
      );
      images += batch.size;
    }
    if (images === 0) throw new NothingToEvaluate();
    return { images, metrics: resultsOf(metrics, sums, images) };
  } finally {
    model.train(wasTraining);
    for (const each of sums) each.dispose();
  }
}

/** @param first the number of the batch's first image */
function imagesOf(logits: Tensor, { labels, size }: Batch, first: number): EvaluatedImage[] {
  const rows = logits.toArray();
  const classes = rows.length / size;
  return Array.from(labels, (label, row) => {
    return { index: first + row, label, logits: rows.slice(row * classes, (row + 1) * classes) };
  });
}

/** All sums are read at once: each reading waits for the device. */
function resultsOf(metrics: readonly Metric[], sums: readonly Tensor[], images: number): MetricValues {
  const all = scope(() => concatenate(sums, 0).toArray());
  let read = 0;
  return Object.fromEntries(
    metrics.map(({ name, result }, index) => {
      const from = read;
      read += (sums[index] as Tensor).size;
      return [name, result(all.slice(from, read), images)];
    }),
  );
}
