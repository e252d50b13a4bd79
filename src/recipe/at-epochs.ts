import { TRICKS } from "../tricks/index.js";
import { settingsOf, type Trick } from "../tricks/trick.js";
import type { Recipe } from "./recipe.js";

/** The recipe made longer or shorter: what of it is counted in epochs, as its warmup and its milestones, keeps its share of the run. */
export function atEpochs(recipe: Recipe, epochs: number): Recipe {
  const scaled = (value: number) => Number(((value * epochs) / recipe.epochs).toPrecision(4));
  const changes = TRICKS.map((trick: Trick) => trick.atEpochs?.(settingsOf(trick, recipe), scaled));
  return Object.assign({ ...recipe, epochs }, ...changes);
}
