import type { LearningRateSchedule } from "../optim/learning-rate.js";
import { TRICKS } from "../tricks/index.js";
import { plannedRun } from "../tricks/planned-run.js";
import { RunningTricks } from "../tricks/running-tricks.js";
import type { Trick } from "../tricks/trick.js";
import type { Recipe } from "./recipe.js";

/**
 * The learning rate of a recipe, as its tricks make it (sections 2.1, 3.1 and 5.1).
 *
 * @param stepsPerEpoch optimizer steps, not accumulation steps
 * @param own tricks that the recipe brings along (`loadOwnTricks`)
 * @throws InputError if the warmup leaves no step after it, or is too short to have one
 */
export function learningRateSchedule(
  recipe: Recipe,
  stepsPerEpoch: number,
  own: readonly Trick[] = [],
): LearningRateSchedule {
  return new RunningTricks([...TRICKS, ...own], plannedRun(recipe, stepsPerEpoch)).schedule();
}

/** Steps of an epoch that leave room for any warmup: the highest rate does not depend on their number. */
const ANY_STEPS = 1000;

/** The highest learning rate of a recipe: that after the warmup, scaled with the batch where a trick does so. */
export function peakLearningRate(recipe: Recipe): number {
  return learningRateSchedule(recipe, ANY_STEPS).peak;
}
