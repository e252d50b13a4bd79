import type { PictureSource } from "../data/pictures/picture.js";
import { type View, viewPixels, viewsOf } from "../data/pictures/views.js";
import { InputError, KnackError } from "../base/errors.js";
import type { Tta } from "../settings/test-time.js";
import { loadCheckpoint } from "../weights/checkpoint.js";
import type { EvaluationPrecision } from "../training/evaluation-precision.js";
import { type Decision, decisionOf } from "./decision.js";
import type { Network } from "./network.js";
import { describeOnnx } from "./onnx-description.js";
import { rejectionScore } from "../metrics/rejection.js";
import type { KeptCalibration } from "../weights/calibration.js";

export interface Prediction {
  /** The class's name; its index where an ONNX file names no classes. */
  readonly class: string;
  readonly index: number;
  /** Softmax of the logits; of a network for several labels a picture the sigmoid. */
  readonly probability: number;
  /** There: from which probability on the picture is taken for the class. */
  readonly threshold?: number;
}

export interface ClassifierOptions {
  /** "cpu" (default) or "cuda"; ONNX files are computed on the CPU. */
  readonly device?: string;
  /** "fp32" (default), "bf16", "fp16" (on GPUs), or "auto": bf16 where the processor has instructions for it and the run's top-1 did not suffer. */
  readonly precision?: EvaluationPrecision;
}

export interface ClassifyOptions {
  /**
   * How many classes to give, the likeliest first; all where there are fewer. Default: 5; of a network for several labels a picture those
   * that it is taken for, which may be none.
   */
  readonly top?: number;
  /** Augmentation at test time: the logits of a picture and its mirror image, or of its corners and centre, are averaged. Default: none. */
  readonly tta?: Tta | undefined;
}

/** What became of one picture: its predictions, or why it could not be read. */
export type Classified<Source extends PictureSource = PictureSource> =
  | {
      readonly image: Source;
      readonly predictions: Prediction[];
      /** Whether the picture is probably of nothing that the model knows; undefined where `knack calibrate` did not say from when on. */
      readonly unknown: boolean | undefined;
      readonly error?: undefined;
    }
  | {
      readonly image: Source;
      readonly predictions?: undefined;
      readonly unknown?: undefined;
      readonly error: InputError;
    };

/**
 * A classifier for pictures from a checkpoint's folder, a run's folder, a `.safetensors` file or an `.onnx` file. How
 * pictures are resized, cropped and normalised is written there.
 *
 * An ONNX file of another program is taken for a network trained on ImageNet: ImageNet's mean and standard deviation, bicubic,
 * a crop of 0.875 of the shorter side, and 224 pixels where its input is not of a fixed size.
 *
 *     const classifier = loadClassifier("runs/flowers");
 *     const [best] = await classifier.classify("rose.jpg");
 *
 * @throws InputError where there is no model or its description is wrong. Faults of its weights reject the first `classify`.
 */
export function loadClassifier(
  path: string,
  { device = "cpu", precision = "fp32" }: ClassifierOptions = {},
): Classifier {
  if (/\.onnx$/i.test(path)) {
    if (device !== "cpu") throw new InputError(`device: ${path} can be computed on the cpu only, not on ${device}`);
    if (precision !== "fp32" && precision !== "auto") {
      throw new InputError(`precision: ${path} is computed as it was exported, not in ${precision}`);
    }
    const description = describeOnnx(path);
    const open = async () => (await import("./onnx-network.js")).openOnnxNetwork(path, description);
    const { class_names: classes, calibration } = description;
    return new Classifier(path, { classes, calibration, decision: decisionOf(description) }, open);
  }
  const { config, calibration, insteadOf } = loadCheckpoint(path);
  // Only when it is wanted, so that ONNX files, and programs that only import knack, do without libtorch.
  const open = async () => (await import("./checkpoint-network.js")).openCheckpoint(path, device, precision);
  return new Classifier(
    path,
    { classes: config.label_names, calibration, insteadOf, decision: decisionOf(config) },
    open,
  );
}

/** What is known of a model without its weights. */
type Described = Pick<Classifier, "classes" | "calibration"> &
  Partial<Pick<Classifier, "insteadOf">> & { readonly decision: Decision };

/** See `loadClassifier`. It holds memory until `dispose()` or the end of the `using` block that declares it. */
export class Classifier implements Disposable {
  /** Names of the classes by index; empty where an ONNX file names none. */
  readonly classes: readonly string[];
  /** Where the newest checkpoint of a run is damaged and the one before it is used: which one, and how. */
  readonly insteadOf: string | undefined;
  /** What `knack calibrate` found out: probabilities are softmax of the logits divided by its temperature. */
  readonly calibration: KeptCalibration | undefined;
  /** Where it was opened. */
  readonly path: string;
  readonly #open: () => Promise<Network>;
  readonly #decision: Decision;
  #network: Promise<Network> | undefined;
  #disposed = false;

  /** @internal Programs call `loadClassifier`. */
  constructor(path: string, { classes, calibration, insteadOf, decision }: Described, open: () => Promise<Network>) {
    this.classes = classes;
    this.calibration = calibration;
    this.insteadOf = insteadOf;
    this.path = path;
    this.#open = open;
    this.#decision = decision;
  }

  /**
   * The likeliest classes of a picture.
   *
   * @param image a file's path, or its bytes: JPEG, PNG, WebP, AVIF, GIF or TIFF
   * @throws InputError where the picture cannot be read.
   */
  async classify(image: PictureSource, options: ClassifyOptions = {}): Promise<Prediction[]> {
    for await (const { error, predictions } of this.classifyAll([image], options)) {
      if (error) throw error;
      return predictions;
    }
    throw new KnackError("the picture gave no result");
  }

  /**
   * The likeliest classes of many pictures, in their order. They are computed in batches, while the next ones are decoded;
   * neither pictures nor results pile up. A picture that cannot be read is a result with an `error` and stops nothing.
   */
  async *classifyAll<Source extends PictureSource>(
    images: Iterable<Source> | AsyncIterable<Source>,
    { top = this.#decision.top, tta }: ClassifyOptions = {},
  ): AsyncGenerator<Classified<Source>, void, undefined> {
    if (top !== undefined && !(Number.isInteger(top) && top >= 1))
      throw new InputError(`top: must be an integer of 1 or more, not ${top}`);
    const network = await this.#opened();
    const views = viewsOf(tta, network.format);
    let decoded: Promise<Decoded<Source>[]> | undefined;
    for await (const batch of inBatches(images, network.batchSize)) {
      const next = Promise.all(batch.map((image) => decode(image, network, views)));
      next.catch(() => {}); // it is awaited only after the batch before it
      if (decoded) yield* await this.#predict(network, await decoded, top);
      decoded = next;
    }
    if (decoded) yield* await this.#predict(network, await decoded, top);
  }

  /** Frees the network; harmless to repeat. */
  dispose(): void {
    this.#disposed = true;
    this.#network?.then((network) => network.dispose()).catch(() => {});
    this.#network = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #opened(): Promise<Network> {
    if (this.#disposed) throw new KnackError(`the classifier of ${this.path} is disposed`);
    this.#network ??= this.#open();
    return this.#network;
  }

  async #predict<Source extends PictureSource>(
    network: Network,
    batch: readonly Decoded<Source>[],
    top: number | undefined,
  ): Promise<Classified<Source>[]> {
    const readable = batch.flatMap(({ pixels }) => (pixels ? [pixels] : []));
    const logits = await meanLogits(network, readable);
    const classes = logits.length / readable.length;
    let row = 0;
    return batch.map(({ image, pixels, error }) => {
      if (!pixels) return { image, error };
      const own = logits.subarray(row * classes, ++row * classes);
      return { image, predictions: this.#best(own, top), unknown: this.#isUnknown(own) };
    });
  }

  #best(logits: Float32Array, top: number | undefined): Prediction[] {
    const { classes } = this;
    if (classes.length > 0 && classes.length !== logits.length) {
      throw new InputError(`${this.path} names ${classes.length} classes, but gives ${logits.length} logits`);
    }
    const { probabilities: probabilitiesOf, threshold: thresholdOf } = this.#decision;
    const probabilities = probabilitiesOf(logits);
    if (!probabilities.every(Number.isFinite)) {
      throw new KnackError(`${this.path} gives logits that are no numbers: its weights are broken`);
    }
    const all = Array.from(probabilities, (probability, index): Prediction => {
      const threshold = thresholdOf(index);
      const prediction = { class: classes[index] ?? `${index}`, index, probability };
      return threshold === undefined ? prediction : { ...prediction, threshold };
    }).sort((a, b) => b.probability - a.probability);
    return top === undefined
      ? all.filter(({ probability, threshold = 0 }) => probability >= threshold)
      : all.slice(0, top);
  }

  /** Whether a picture may show several of the classes, or none. */
  get severalLabels(): boolean {
    return this.#decision.threshold(0) !== undefined;
  }

  #isUnknown(logits: Float32Array): boolean | undefined {
    const rejection = this.calibration?.rejection;
    return rejection && rejectionScore(rejection.score, logits) < rejection.threshold;
  }
}

type Decoded<Source> =
  | { readonly image: Source; readonly pixels: readonly Uint8Array[]; readonly error?: undefined }
  | { readonly image: Source; readonly pixels?: undefined; readonly error: InputError };

async function decode<Source extends PictureSource>(
  image: Source,
  { format }: Network,
  views: readonly View[],
): Promise<Decoded<Source>> {
  try {
    return { image, pixels: await viewPixels(image, format, views) };
  } catch (error) {
    if (error instanceof InputError) return { image, error };
    throw error;
  }
}

/** [N, K] of N pictures, each in all its views. */
async function meanLogits(network: Network, pictures: readonly (readonly Uint8Array[])[]): Promise<Float32Array> {
  const [views = []] = pictures;
  let total: Float32Array = new Float32Array();
  for (const view of views.keys()) {
    const logits = await network.logits(Buffer.concat(pictures.map((each) => each[view] as Uint8Array)));
    total = view === 0 ? logits : total.map((sum, index) => sum + (logits[index] as number));
  }
  return views.length > 1 ? total.map((sum) => sum / views.length) : total;
}

async function* inBatches<T>(items: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
