import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemReason, writeFileAtomic } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { AnySource } from "../data/sources/source.js";
import type { LabelledSet } from "../data/split.js";
import type { MetricValues } from "../metrics/metric.js";
import type { Outcomes } from "../metrics/outcomes.js";
import { Scores } from "../metrics/scores.js";
import { parseRecipe } from "../recipe/parse.js";
import { validationSource } from "../report/measure.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { predictSet } from "../run/predict-set.js";
import { RunFolder } from "../run/run-folder.js";
import { readConfig } from "../weights/checkpoint.js";
import { CONFIG } from "../weights/checkpoint-files.js";

const FILE = "predictions.json";

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

export interface PredictedImage {
  /** Of images without names, their number in the training images. */
  readonly name: string;
  readonly label: number;
  /** As `Outcomes` has them. */
  readonly predicted: number;
  readonly rank: number;
  readonly confidence: number;
  readonly loss: number;
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
 * @param afterBatch called after each batch of images; what it throws ends it
 * @throws InputError where its data are not there any more
 */
export async function predictFold(
  folder: string,
  place: EvaluationPlace,
  afterBatch: () => void,
): Promise<FoldPredictions> {
  const run = RunFolder.open(folder);
  const source = validationSource(run);
  const set: LabelledSet = source.validation;
  const { maxBadImages } = parseRecipe(run.readJson("recipe.json"), `${folder}/recipe.json`);
  const { path, epoch } = weightsOf(run);
  const { outcomes, indices, metrics } = await predictSet(path, set, { ...place, maxBadImages, afterBatch });
  if ("labelSets" in outcomes) throw new Error("predictFold: folds together are of one label a picture");
  const nameOf = heldNames(source);
  const rounded = (probability: number) => Number(probability.toPrecision(6));
  const images = indices.map((index, image): PredictedImage => {
    const probabilities = outcomes.scores?.probabilitiesOf(image).map(rounded);
    return {
      name: nameOf(index),
      label: outcomes.labels[image] as number,
      predicted: outcomes.predicted[image] as number,
      rank: outcomes.ranks[image] as number,
      confidence: outcomes.confidences[image] as number,
      loss: outcomes.losses[image] as number,
      ...(probabilities && { probabilities }),
    };
  });
  const found = { epoch, metrics, classes: set.classes, held: set.count, images };
  writeFileAtomic(join(folder, FILE), `${JSON.stringify(found)}\n`);
  return found;
}

/** What the images that a run held out are called: where they have no names, their number in the training images. */
export function heldNames(source: AnySource): (index: number) => string {
  const numbers = "kind" in source ? undefined : source.validationNumbers;
  const set: LabelledSet = source.validation;
  return (index) => kindOf(set).nameOf(set, index) ?? String(numbers?.[index] ?? index);
}

/** What the folds' networks make of all images together, of whichever fold. */
export function outcomesTogether(images: readonly PredictedImage[], classes: number): Outcomes {
  const labels = Int32Array.from(images, ({ label }) => label);
  const logarithms = images.flatMap(({ probabilities = [] }) => probabilities.map(Math.log));
  return {
    classes,
    weights: new Float64Array(images.length).fill(1),
    labels,
    predicted: Int32Array.from(images, ({ predicted }) => predicted),
    ranks: Int32Array.from(images, ({ rank }) => rank),
    losses: Float64Array.from(images, ({ loss }) => loss),
    confidences: Float64Array.from(images, ({ confidence }) => confidence),
    scores:
      logarithms.length === classes * images.length
        ? new Scores(Float32Array.from(logarithms), labels, classes)
        : undefined,
  };
}

/** The last weights or, where the run's figures are of an earlier epoch, the best. */
function weightsOf(run: RunFolder): { path: string; epoch: number } {
  const done = run.readCurves().find((event) => event.type === "done");
  const last = readConfig(join(run.lastCheckpoint, CONFIG)).knack?.epoch;
  const epoch = done?.epoch ?? last ?? 0;
  return { path: epoch === last || !existsSync(run.bestCheckpoint) ? run.lastCheckpoint : run.bestCheckpoint, epoch };
}
