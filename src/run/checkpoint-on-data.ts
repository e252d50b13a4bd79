import { BadPictures } from "../data/loading/bad-pictures.js";
import { inViews } from "../data/loading/in-views.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { Batch, Loader } from "../data/loading/loader.js";
import { viewsOf } from "../data/pictures/views.js";
import type { LabelledSet, Split } from "../data/split.js";
import { InputError } from "../base/errors.js";
import { ConvolutionChoices } from "../engine/convolution-choices.js";
import { DEFAULT_ENGINE } from "../engine/engine-name.js";
import { evaluationOf } from "../engine/evaluation.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor/tensor.js";
import { imageMismatches, labellingMismatches } from "../weights/checkpoint-fits.js";
import { USUAL_THRESHOLD } from "../metrics/several/thresholds.js";
import type { Tta } from "../settings/test-time.js";
import { lookOf } from "../weights/config.js";
import { type LoadedModel, type LoadOptions, loadModel } from "../weights/load-model.js";
import { evaluationLoader, NothingToEvaluate } from "../training/evaluate.js";
import { type EvaluationPrecision, precisionFor } from "../training/evaluation-precision.js";
import { naturalIntensity } from "./intensity.js";
import { absentClasses, matchClasses } from "./match-classes.js";

export interface EvaluationPlace extends LoadOptions {
  /** "cpu" (default) or "cuda". */
  readonly device?: string | undefined;
  /** Default: "fp32". */
  readonly precision?: EvaluationPrecision | undefined;
  /** Threads that load photographs. Default: none. */
  readonly workers?: number;
  /** Whether images of classes that the checkpoint does not know are left out. Default: they are an error. */
  readonly ignoreUnknownClasses?: boolean;
  /** Augmentation at test time: the logits of several views of each image are averaged. Default: none. */
  readonly tta?: Tta | undefined;
  /** The share of photographs that may be unreadable. Default: 0.05. */
  readonly maxBadImages?: number | undefined;
}

/** A checkpoint's network and the images it is tried on. */
export interface CheckpointOnData {
  readonly model: Module;
  readonly format: Split;
  readonly device: string;
  /** [N, channels, height, width] to [N, classes], by the fastest that computes it. */
  readonly logits: (images: Tensor) => Tensor;
  /** How many views of each image a batch has, those of one view after those of the one before. */
  readonly views: number;
  /** All images once in each view, in order, but for photographs that cannot be read. */
  readonly batches: AsyncIterable<Batch>;
  /** Photographs that could not be read so far: names and reasons. */
  readonly badPictures: ReadonlyMap<string, string>;
  /** The checkpoint's classes of which there is no image. */
  readonly absent: readonly string[];
  /** Images of classes that the checkpoint does not know, which are left out. */
  readonly ignored: number;
  /** As `MatchedSet.byNumber`. */
  readonly byNumber: boolean;
  /** Where a picture may show several classes: from which probability on it is taken for each. */
  readonly thresholds: readonly number[] | undefined;
  /** As `UsableCheckpoint.insteadOf`. */
  readonly insteadOf: string | undefined;
  /** As `LoadedModel.calibration`. */
  readonly calibration: LoadedModel["calibration"];
  /** As `LoadedModel.folder`. */
  readonly folder: string;
}

/**
 * Opens a checkpoint and brings a data set's images to size and normalises them as it says; all is closed after `use`.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @param sets of one data source
 * @throws InputError where the checkpoint is broken or was made for other images or classes; what `use` throws.
 */
export async function withCheckpointOn<T>(
  path: string,
  sets: readonly [LabelledSet, ...LabelledSet[]],
  {
    device = "cpu",
    precision = "fp32",
    workers = 0,
    ignoreUnknownClasses = false,
    tta,
    maxBadImages,
    uncalibrated,
  }: EvaluationPlace,
  use: (opened: CheckpointOnData) => Promise<T>,
): Promise<T> {
  const loaded = loadModel(path, device, { uncalibrated });
  const { model } = loaded;
  const loaders: Loader[] = [];
  const { channels, height, width } = loaded.format;
  const engine = { ...DEFAULT_ENGINE, choices: new ConvolutionChoices(loaded.convolutions) };
  const task = { device, precision: precisionFor(precision, loaded.config, device), engine };
  const evaluation = evaluationOf(model, [channels, height, width], task);
  const logits = (images: Tensor) => evaluation.logits(images);
  try {
    for (const set of sets) {
      const faults = [...labellingMismatches(loaded.config, set), ...imageMismatches(loaded, set)];
      if (faults.length === 0) continue;
      throw new InputError(`${path} does not fit ${set.name}: it was trained for ${faults.join(" and ")}`);
    }
    const classes = loaded.config.label_names;
    const matched = sets.map((set) => matchClasses(path, classes, set, ignoreUnknownClasses));
    const ignored = matched.reduce((sum, each) => sum + each.ignored, 0);
    const measured = matched.map(({ set }) => set).filter((set) => set.count > 0);
    const intensity = loaded.config.intensity ?? (await naturalIntensity(measured));
    const look = { ...lookOf(loaded.config), intensity };
    const splits = measured.map((set) => kindOf(set).formatted(set, loaded.format, look));
    const count = measured.reduce((sum, set) => sum + set.count, 0);
    const badPictures = new BadPictures(sets[0].name, count, "skip", maxBadImages);
    const views = viewsOf(tta, look, kindOf(sets[0]).inputFormat(sets[0]) !== undefined);
    const batches = splits.map((split) => {
      const of = new Map(
        [...new Set(views.map(({ place }) => place))].map((place) => {
          const seen = kindOf(split).formatted(split, split, { ...look, place });
          return [place, evaluationLoader(seen, { badPictures, workers })];
        }),
      );
      loaders.push(...of.values());
      return inViews(of, views, split);
    });
    const [format] = splits;
    if (format === undefined) throw new NothingToEvaluate();
    const absent = absentClasses(classes, measured);
    const byNumber = matched.some((each) => each.byNumber);
    const { insteadOf, calibration, folder, config } = loaded;
    const thresholds = config.task && (config.thresholds ?? classes.map(() => USUAL_THRESHOLD));
    return await use({
      model,
      format,
      device,
      logits,
      views: views.length,
      batches: allOf(batches),
      badPictures,
      absent,
      ignored,
      byNumber,
      thresholds,
      insteadOf,
      calibration,
      folder,
    });
  } finally {
    await Promise.all(loaders.map((loader) => loader.close()));
    evaluation.dispose();
    model.dispose();
  }
}

async function* allOf(batches: readonly AsyncGenerator<Batch>[]): AsyncGenerator<Batch> {
  for (const each of batches) yield* each;
}
