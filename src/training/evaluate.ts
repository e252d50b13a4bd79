import { KnackError } from "../base/errors.js";
import { type Batch, Loader, type LoaderOptions } from "../data/loading/loader.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { InputFormat, LabelledSet, Split } from "../data/split.js";
import { valuesOf } from "../metrics/index.js";
import type { Metric, MetricValues } from "../metrics/metric.js";
import type { Outcomes } from "../metrics/outcomes.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { OutcomesOnDevice } from "./outcomes-on-device.js";
import { SentBatch } from "./sent-batch.js";

export interface Evaluation {
  readonly images: number;
  /** Every metric's value by its name, also where it says nothing for so few classes; not where it is undefined. */
  readonly metrics: MetricValues;
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
  /** Called after each batch; what it throws ends the evaluation. */
  readonly afterBatch?: (() => void) | undefined;
}

/**
 * Metrics on clean hard labels, whatever targets are trained against. The model is put into evaluation mode for it and back.
 *
 * @param model with float32 weights
 * @param batches the images, each once
 * @param metrics what is measured; all that there is by default
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
export function evaluationOf(outcomes: Outcomes, metrics?: readonly Metric[]): Evaluation {
  return { images: outcomes.labels.length, metrics: valuesOf(outcomes, metrics) };
}

/** The same image by image, for whatever is to be made of it. @throws as `evaluate` */
export async function outcomesOf(
  model: Module,
  batches: AsyncIterable<Batch> | Iterable<Batch>,
  { format, device, logits: logitsOf = (images) => model.forward(images), afterBatch }: EvaluationOptions,
): Promise<Outcomes> {
  const wasTraining = model.training;
  model.eval();
  using outcomes = new OutcomesOnDevice(format.classes.length, device);
  try {
    for await (const batch of batches) {
      using sent = new SentBatch(batch, format, device);
      scope(() =>
        noGradient(() => {
          const { images, labels } = sent.prepare();
          outcomes.add(logitsOf(images), labels, batch.labels);
        }),
      );
      afterBatch?.();
    }
    if (outcomes.images === 0) throw new NothingToEvaluate();
    return outcomes.read();
  } finally {
    model.train(wasTraining);
  }
}
