import { paperSettings, paperStepDecay } from "../../recipe/presets.js";
import type { Recipe } from "../../recipe/recipe.js";

/** The length of the paper's runs, which its warmup of 5 epochs and its milestones 30, 60 and 90 belong to (section 2.1). */
const PAPER_EPOCHS = 120;

/** The recipe made longer or shorter: its warmup and its milestones keep their shares of the run. */
export function atEpochs(recipe: Recipe, epochs: number): Recipe {
  const scaled = (value: number) => tidy((value * epochs) / recipe.epochs);
  const { warmup, schedule } = recipe;
  return {
    ...recipe,
    epochs,
    warmup: warmup && { epochs: scaled(warmup.epochs) },
    schedule: schedule.type === "step" ? { ...schedule, milestones: schedule.milestones.map(scaled) } : schedule,
  };
}

/** The paper's warmup in a run of so many epochs. */
export function paperWarmup(epochs: number): { epochs: number } {
  return { epochs: tidy((paperSettings.warmup.epochs * epochs) / PAPER_EPOCHS) };
}

/** The paper's step decay in a run of so many epochs. */
export function paperDecay(epochs: number): Recipe["schedule"] {
  return {
    ...paperStepDecay,
    milestones: paperStepDecay.milestones.map((milestone) => tidy((milestone * epochs) / PAPER_EPOCHS)),
  };
}

function tidy(value: number): number {
  return Number(value.toPrecision(4));
}
