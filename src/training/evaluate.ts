import { KnackError } from "../base/errors.js";
import { type Batch, Loader, type LoaderOptions } from "../data/loading/loader.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { InputFormat, LabelledSet, Split } from "../data/split.js";
import { type AnyOutcomes, measured, valuesOf } from "../metrics/index.js";
import type { Metric, MetricValues } from "../metrics/metric.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { taskOf } from "../tasks/index.js";
import { add, mulEach, narrow } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { SentBatch } from "./sent-batch.js";

export interface Evaluation {
  readonly images: number;
  /** Every metric's value by its name, also where it says nothing for so few classes; not where it is undefined. */
  readonly metrics: MetricValues;
  /** From which probability on an image is taken for each class, where each is a matter of its own. */
  readonly thresholds?: readonly number[] | undefined;
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
  { badPictures, workers, division }: Pick<LoaderOptions, "badPictures" | "workers" | "division">,
): Loader {
  const fits = Math.max(1, Math.min(BATCH_IMAGES, Math.floor(BATCH_PIXELS / (set.height * set.width))));
  const most = division ? Math.min(fits, Math.ceil(set.count / division.size)) : fits;
  return new Loader(set, {
    batchSize: Math.min(most, set.count),
    augmentation: "none",
    seed: 0,
    ...(badPictures && { badPictures }),
    division,
    workers: kindOf(set).evaluationWorkers(workers),
  });
}

export interface EvaluationOptions {
  /** The normalisation the model was trained with, and the classes. */
  readonly format: InputFormat & Pick<LabelledSet, "classes" | "labelSets">;
  readonly device: string;
  /** Where images may have several labels, the network's thresholds; those that suit the images best by default. */
  readonly thresholds?: readonly number[] | undefined;
  /** What computes the model's logits; the model itself by default. */
  readonly logits?: ((images: Tensor) => Tensor) | undefined;
  /** How many views of each image a batch has, one view after the other; their logits are averaged. Default: 1. */
  readonly views?: number | undefined;
  /** Where several processes evaluate, each its own batches: gives the rows of all of them for those of this one. */
  readonly gathered?: ((rows: Tensor) => Tensor) | undefined;
  /** Called after each batch; what it throws ends the evaluation. */
  readonly afterBatch?: (() => void) | undefined;
}

/**
 * Metrics on clean hard labels, whatever targets are trained against. The model is put into evaluation mode for it and back.
 *
 * @param model with float32 weights
 * @param batches the images, each once
 * @param metrics what is measured of images with one label each; all that there is by default
 * @throws NothingToEvaluate where there are no images; what `afterBatch` throws.
 */
export async function evaluate(
  model: Module,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
  { metrics, ...options }: EvaluationOptions & { readonly metrics?: readonly Metric[] | undefined },
): Promise<Evaluation> {
  return evaluationOf(await outcomesOf(model, batches, options), metrics);
}

/** What outcomes come to. */
export function evaluationOf(outcomes: AnyOutcomes, metrics?: readonly Metric[]): Evaluation {
  const images = outcomes.labels.length;
  if ("thresholds" in outcomes) return { images, metrics: measured(outcomes), thresholds: outcomes.thresholds };
  return { images, metrics: metrics ? valuesOf(outcomes, metrics) : measured(outcomes) };
}

/** The same image by image, for whatever is to be made of it. @throws as `evaluate` */
export async function outcomesOf(
  model: Module,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
  {
    format,
    device,
    thresholds,
    logits: logitsOf = (images) => model.forward(images),
    views = 1,
    gathered,
    afterBatch,
  }: EvaluationOptions,
): Promise<AnyOutcomes> {
  const wasTraining = model.training;
  model.eval();
  using outcomes = taskOf(format).outcomes(format, device, thresholds);
  try {
    for await (const batch of batches) {
      using sent = new SentBatch(batch, format, device);
      scope(() =>
        noGradient(() => {
          const { images, labels } = sent.prepare();
          const count = batch.size / views;
          const logits = meanOfViews(logitsOf(images), views);
          outcomes.add(logits, narrow(labels, 0, 0, count), batch.labels.subarray(0, count));
        }),
      );
      afterBatch?.();
    }
    if (gathered) outcomes.gather(gathered);
    if (outcomes.images === 0) throw new NothingToEvaluate();
    return outcomes.read();
  } finally {
    model.train(wasTraining);
  }
}

/** [views x N, K] to [N, K]. */
function meanOfViews(logits: Tensor, views: number): Tensor {
  if (views === 1) return logits;
  const [all = 0] = logits.shape;
  const count = all / views;
  const total = Array.from({ length: views }, (_, view) => narrow(logits, 0, view * count, count)).reduce((a, b) =>
    add(a, b),
  );
  return mulEach([total], 1 / views)[0] as Tensor;
}
