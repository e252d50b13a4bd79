import { join } from "node:path";
import { stateOf } from "../ablation/runs/results.js";
import { InputError } from "../base/errors.js";
import type { LabelledSet } from "../data/split.js";
import { heldNames, savedPredictions } from "../folds/fold-predictions.js";
import { isFoldsFolder, readAsked } from "../folds/folds-folder.js";
import { measure, validationSource } from "../report/measure.js";
import type { EvaluationPlace } from "../run/checkpoint-on-data.js";
import { RunFolder } from "../run/run-folder.js";
import { labelIssues } from "../metrics/confident-learning.js";

/** An image whose label is probably wrong. */
export interface Suspect {
  /** As the data have it; of images without names, their number. */
  readonly name: string;
  readonly label: number;
  /** What a network that has not seen it takes it for. */
  readonly predicted: number;
  /** Probability of the predicted class, and of the label. */
  readonly confidence: number;
  readonly ofLabel: number;
  /** Where its pixels are. */
  readonly set: LabelledSet;
  readonly index: number;
}

export interface FoundSuspects {
  /** The least likely label first. */
  readonly suspects: readonly Suspect[];
  /** How many images were looked at. */
  readonly images: number;
  /** Of how many the label is the class that a network takes them for. */
  readonly agreeing: number;
  readonly classes: readonly string[];
  /** 0 where a single run's validation images were looked at. */
  readonly folds: number;
}

/** An image with all that is said of it. */
interface Predicted extends Suspect {
  readonly probabilities: readonly number[];
}

/**
 * The images whose label is probably wrong, by what networks say of them that have not seen them: of a training in folds all images, of a run
 * those that it held out.
 *
 * @param path the folder of either
 * @throws InputError where it is neither, is not finished, or its data are not there any more
 */
export async function findSuspects(path: string, place: EvaluationPlace): Promise<FoundSuspects> {
  const folds = isFoldsFolder(path) ? readAsked(path).folds : 0;
  const images = folds > 0 ? ofFolds(path, folds) : await ofRun(RunFolder.open(path), place);
  const classes = images[0]?.set.classes ?? [];
  const issues = labelIssues({
    labels: images.map(({ label }) => label),
    probabilities: images.map(({ probabilities }) => probabilities),
    classes: classes.length,
  });
  const suspects = issues.map((image) => {
    const { probabilities: _, ...suspect } = images[image] as Predicted;
    return suspect;
  });
  const agreeing = images.filter(({ label, predicted }) => label === predicted).length;
  return { suspects, images: images.length, agreeing, classes, folds };
}

function ofFolds(path: string, folds: number): Predicted[] {
  return Array.from({ length: folds }, (_, index) => index + 1).flatMap((fold) => {
    const folder = join(path, `fold-${fold}`);
    const state = stateOf(folder);
    if (typeof state === "object" && "diverged" in state.result) return [];
    const saved = savedPredictions(folder);
    if (saved === undefined) {
      throw new InputError(`${path}: fold ${fold} is not finished; go on by knack train --resume ${path}`);
    }
    const source = validationSource(RunFolder.find(folder));
    const set: LabelledSet = source.validation;
    const nameOf = heldNames(source);
    const indices = new Map(Array.from({ length: set.count }, (_, index) => [nameOf(index), index]));
    return saved.images.map(({ name, label, predicted, confidence, loss, probabilities }) => {
      if (probabilities === undefined)
        throw new InputError(`${path} keeps no probabilities: these are too many classes`);
      const index = indices.get(name) as number; // the run's own names
      return { name, label, predicted, confidence, ofLabel: Math.exp(-loss), set, index, probabilities };
    });
  });
}

async function ofRun(run: RunFolder, place: EvaluationPlace): Promise<Predicted[]> {
  const source = validationSource(run);
  const measured = await measure(run, source, place);
  if ("missing" in measured) throw new InputError(`${run.path}: ${measured.missing}`);
  const { outcomes, indices } = measured;
  if ("labelSets" in outcomes) {
    throw new InputError(`${run.path} tells several labels a picture, and suspects are found of one`);
  }
  const set: LabelledSet = source.validation;
  const { scores } = outcomes;
  if (scores === undefined) throw new InputError(`${run.path}: these are too many classes for so many images`);
  const nameOf = heldNames(source);
  return indices.map((index, image) => ({
    name: nameOf(index),
    label: outcomes.labels[image] as number,
    predicted: outcomes.predicted[image] as number,
    confidence: outcomes.confidences[image] as number,
    ofLabel: Math.exp(-(outcomes.losses[image] as number)),
    set,
    index,
    probabilities: scores.probabilitiesOf(image),
  }));
}
