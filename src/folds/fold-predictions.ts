import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemReason, writeFileAtomic } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { LabelledSet } from "../data/split.js";
import type { MetricValues } from "../metrics/metric.js";
import { parseRecipe } from "../recipe/parse.js";
import { validationSource } from "../report/measure.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { type ImagePrediction, predictWhole } from "../run/predict-set.js";
import { RunFolder } from "../run/run-folder.js";
import { readConfig } from "../weights/checkpoint.js";
import { CONFIG } from "../weights/checkpoint-files.js";

const FILE = "predictions.json";

/** Probabilities of all classes of all images of a fold: some 200 MB of text. */
const MOST_NUMBERS = 2e7;

/** What a fold's run makes of the images it held out. Plain JSON. */
export interface FoldPredictions {
  /** Epochs after which the weights were saved. */
  readonly epoch: number;
  readonly metrics: MetricValues;
  readonly classes: readonly string[];
  /** Images that were held out, those that cannot be read too. */
  readonly held: number;
  readonly images: readonly PredictedImage[];
}

export interface PredictedImage extends Omit<ImagePrediction, "index"> {
  /** Of images without names, their number in the training images. */
  readonly name: string;
  /** Of each class; absent where those would be too many numbers to keep. */
  readonly probabilities?: readonly number[];
}

/** What an earlier start found; undefined where there was none. */
export function savedPredictions(folder: string): FoldPredictions | undefined {
  const file = join(folder, FILE);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as FoldPredictions;
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
  }
}

/**
 * Evaluates a finished fold's run on what it held out, by the weights that its last figures are of, and keeps what came of it.
 *
 * @param seen called for each image
 * @throws InputError where its data are not there any more
 */
export async function predictFold(folder: string, place: EvaluationPlace, seen: () => void): Promise<FoldPredictions> {
  const run = RunFolder.open(folder);
  const source = validationSource(run);
  const set: LabelledSet = source.validation;
  const { maxBadImages } = parseRecipe(run.readJson("recipe.json"), `${folder}/recipe.json`);
  const { path, epoch } = weightsOf(run);
  const { predictions, metrics } = await predictWhole(path, set, { ...place, maxBadImages }, seen);
  const numbers = "kind" in source ? undefined : source.validationNumbers;
  const nameOf = (index: number) => kindOf(set).nameOf(set, index) ?? String(numbers?.[index] ?? index);
  const areFew = set.classes.length * set.count <= MOST_NUMBERS;
  const images = predictions.map(({ index, probabilities, ...image }) => {
    const all = areFew && { probabilities: Array.from(probabilities, (p) => Number(p.toPrecision(6))) };
    return { name: nameOf(index), ...image, ...all };
  });
  const found = { epoch, metrics, classes: set.classes, held: set.count, images };
  writeFileAtomic(join(folder, FILE), `${JSON.stringify(found)}\n`);
  return found;
}

/** The last weights or, where the run's figures are of an earlier epoch, the best. */
function weightsOf(run: RunFolder): { path: string; epoch: number } {
  const done = run.readCurves().find((event) => event.type === "done");
  const last = readConfig(join(run.lastCheckpoint, CONFIG)).knack?.epoch;
  const epoch = done?.epoch ?? last ?? 0;
  return { path: epoch === last || !existsSync(run.bestCheckpoint) ? run.lastCheckpoint : run.bestCheckpoint, epoch };
}
