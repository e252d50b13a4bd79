import { InputError } from "../base/errors.js";
import type { LabelledSet } from "../data/split.js";
import { ece } from "../metrics/ece.js";
import { loss } from "../metrics/loss.js";
import type { Outcomes } from "../metrics/outcomes.js";
import { rejectionOf } from "../metrics/rejection.js";
import { atTemperature, temperatureOf } from "../metrics/temperature.js";
import { type KeptCalibration, type RejectionScore, writeCalibration } from "../weights/calibration.js";
import type { EvaluationPlace } from "./checkpoint-on-data.js";
import { evaluateCheckpoint } from "./evaluate-checkpoint.js";
import { runOf } from "./evaluation-data.js";
import { FolderLock } from "./run-lock.js";

export interface CalibrateOptions extends Omit<EvaluationPlace, "uncalibrated"> {
  /** How many of the pictures that are not called unknown are to be right, a fraction of 1. Default: half of the mistakes go. */
  readonly rejectPrecision?: number | undefined;
  /** Default: "softmax". */
  readonly rejectBy?: RejectionScore | undefined;
}

export interface Calibrated extends KeptCalibration {
  /** The checkpoint's own folder, which keeps it. */
  readonly folder: string;
  /** Where the newest checkpoint of a run is damaged and the one before it was taken: which one, and how. */
  readonly insteadOf: string | undefined;
}

/**
 * Finds the temperature that makes a checkpoint as sure as it is right, and the score below which it is to know nothing, on images that it was not
 * trained on, and keeps both beside its weights. Whoever loads the checkpoint has logits divided by that temperature.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file
 * @throws InputError as `evaluateCheckpoint`, where the images tell no temperature or threshold, or somebody writes the run
 */
export async function calibrateCheckpoint(
  path: string,
  set: LabelledSet,
  { rejectPrecision, rejectBy = "softmax", ...place }: CalibrateOptions = {},
): Promise<Calibrated> {
  const run = runOf(path);
  using _ = run === undefined ? undefined : FolderLock.take(run);
  const { outcomes, folder, insteadOf } = await evaluateCheckpoint(path, [set], { ...place, uncalibrated: true });
  if ("labelSets" in outcomes) {
    throw new InputError(`${path} tells several labels a picture, and a temperature is for one; nothing was changed`);
  }
  const temperature = temperatureOf(outcomes);
  const calibrated = atTemperature(outcomes, temperature);
  const change = (of: (outcomes: Outcomes) => number) => ({ before: of(outcomes), after: of(calibrated) });
  const kept: KeptCalibration = {
    temperature,
    data: set.name,
    images: outcomes.labels.length,
    nll: change(loss.value),
    ece: change(ece.value),
    rejection: rejectionOf(calibrated, rejectBy, rejectPrecision),
  };
  writeCalibration(folder, kept);
  return { ...kept, folder, insteadOf };
}
