import { existsSync } from "node:fs";
import { join } from "node:path";
import { kindOf } from "../data/kinds/kinds.js";
import { openData } from "../data/sources/open.js";
import type { AnySource } from "../data/sources/source.js";
import type { LabelledSet } from "../data/split.js";
import { InputError, KnackError } from "../base/errors.js";
import type { AnyOutcomes } from "../metrics/index.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { predictSet, type SetPrediction } from "../run/predict-set.js";
import { parseRecipe } from "../recipe/parse.js";
import type { RunFolder } from "../run/run-folder.js";
import { NothingToEvaluate } from "../training/evaluate.js";
import type { KeptCalibration } from "../weights/calibration.js";
import { loadCheckpoint } from "../weights/checkpoint.js";
import { type CheckpointConfig, lookOf } from "../weights/config.js";
import { classMismatches } from "../weights/checkpoint-fits.js";

/** What a run's checkpoint makes of each of its validation images, and of all. */
export interface Measured<Of extends AnyOutcomes = AnyOutcomes> extends SetPrediction<Of> {
  readonly set: LabelledSet;
  readonly checkpoint: "best" | "last";
  /** Epochs after which the checkpoint was written; undefined where it does not say. */
  readonly epoch: number | undefined;
  /** As `UsableCheckpoint.calibration`: the outcomes are those of calibrated logits. */
  readonly calibration?: KeptCalibration | undefined;
  /** The checkpoint, and where it was computed: for who wants to know why. */
  readonly network?: { readonly path: string; readonly device: string | undefined };
}

/** Or why that cannot be known, in a sentence. */
export type Measurement = Measured | { readonly missing: string };

/**
 * Evaluates the best checkpoint of a run, the last where there is no best, image by image.
 *
 * @param given the run's images, where a program gave them
 */
export async function measure(
  run: RunFolder,
  given: AnySource | undefined,
  place: EvaluationPlace,
): Promise<Measurement> {
  try {
    const checkpoint = existsSync(run.bestCheckpoint) ? "best" : "last";
    const path = checkpoint === "best" ? run.bestCheckpoint : run.lastCheckpoint;
    if (!existsSync(path)) return { missing: "The run was stopped before its first checkpoint." };
    const set: LabelledSet = (given ?? validationSource(run)).validation;
    const loaded = loadCheckpoint(path);
    const faults = classMismatches(loaded, set);
    if (faults.length > 0) {
      throw new InputError(`${path} does not fit ${set.name}: it was trained for ${faults.join(" and ")}`);
    }
    const { maxBadImages } = parseRecipe(run.readJson("recipe.json"), `${run.path}/recipe.json`);
    const predicted = await predictSet(path, set, { ...place, maxBadImages });
    return {
      set: asSeen(set, loaded.config),
      ...predicted,
      checkpoint,
      epoch: loaded.config.knack?.epoch,
      calibration: loaded.calibration,
      network: { path, device: place.device },
    };
  } catch (error) {
    if (error instanceof NothingToEvaluate) return { missing: "None of its validation images can be read." };
    if (!(error instanceof KnackError)) throw error;
    return { missing: `Its checkpoint cannot be evaluated on its data any more: ${error.message}.` };
  }
}

/** As the checkpoint's network sees it. */
function asSeen(
  set: LabelledSet,
  { input_size: size, in_chans: channels, mean, std, ...look }: CheckpointConfig,
): LabelledSet {
  const [, height, width] = size;
  return kindOf(set).formatted(set, { height, width, channels, mean, std }, lookOf(look));
}

/**
 * What the run was trained and validated on.
 *
 * @throws InputError where that is not there any more, or is something else.
 */
export function validationSource(run: RunFolder): AnySource {
  const { source, ...selection } = run.readData();
  if (source === null) throw new InputError("a program gave the run its images, and only that has them");
  const opened = openData(source, selection);
  const validation: LabelledSet = opened.validation;
  if (!existsSync(join(run.path, "validation.json"))) return opened;
  const kind = kindOf(validation);
  const held = run.readJson("validation.json");
  const same =
    Array.isArray(held) &&
    held.length === validation.count &&
    held.every((name, index) => name === kind.nameOf(validation, index));
  if (same) return opened;
  throw new InputError(`the photographs in ${source} have changed, and those held out are no longer the run's`);
}
