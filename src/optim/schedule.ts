import { InputError } from "../base/errors.js";
import { cosineLearningRate } from "../tricks/cosine.js";
import { scaledLearningRate } from "../tricks/linear-scaling.js";
import { stepDecayLearningRate } from "../tricks/step-decay.js";
import { warmupLearningRate } from "../tricks/warmup.js";
import type { Recipe } from "../recipe/recipe.js";

/** The learning rate of a run, by optimizer step. */
export interface LearningRateSchedule {
  readonly totalSteps: number;
  readonly warmupSteps: number;
  /** Steps at which the step decay lowers the rate; may lie past the end of a short run. */
  readonly milestones: readonly number[];
  /** The highest rate: that at the end of the warmup, after linear scaling. */
  readonly peak: number;
  /** @param step 0-based, below `totalSteps` */
  at(step: number): number;
}

type ScheduleRecipe = Pick<Recipe, "epochs" | "batchSize" | "lr" | "linearScaling" | "warmup" | "schedule">;

/**
 * Composes linear scaling, warmup and decay (sections 2.1, 3.1 and 5.1).
 *
 * @param stepsPerEpoch optimizer steps, not accumulation steps
 * @throws InputError if the warmup leaves no step after it, or is too short to have one
 */
export function learningRateSchedule(recipe: ScheduleRecipe, stepsPerEpoch: number): LearningRateSchedule {
  const totalSteps = recipe.epochs * stepsPerEpoch;
  const warmupSteps = warmupStepsOf(recipe, stepsPerEpoch);
  const peak = recipe.linearScaling
    ? scaledLearningRate(recipe.lr, recipe.batchSize, recipe.linearScaling.referenceBatch)
    : recipe.lr;
  const { schedule } = recipe;
  const milestones =
    schedule.type === "step" ? schedule.milestones.map((epoch) => Math.round(epoch * stepsPerEpoch)) : [];
  const at = (step: number): number => {
    if (step < warmupSteps) return warmupLearningRate(peak, step, warmupSteps);
    if (schedule.type === "step") return stepDecayLearningRate(peak, step, milestones, schedule.factor);
    return cosineLearningRate(peak, step - warmupSteps, totalSteps - warmupSteps);
  };
  return { totalSteps, warmupSteps, milestones, peak, at };
}

function warmupStepsOf({ warmup, epochs }: ScheduleRecipe, stepsPerEpoch: number): number {
  if (!warmup) return 0;
  const steps = Math.round(warmup.epochs * stepsPerEpoch);
  if (steps > 0 && steps < epochs * stepsPerEpoch) return steps;
  throw new InputError(
    `warmup.epochs: ${warmup.epochs} epochs are ${steps} of the run's ${epochs * stepsPerEpoch} steps; the warmup needs at least one step and must be shorter than the run: give another --warmup or --no-warmup`,
  );
}
