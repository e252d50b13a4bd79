import type { Recipe } from "../../recipe/recipe.js";
import { TRICKS } from "./tricks.js";

/** The recipe, without linear scaling where its factor is 1: a trick that changes nothing could not be trained. */
export function withoutIdleScaling(recipe: Recipe, notes: string[]): Recipe {
  const { linearScaling } = TRICKS;
  const reason = linearScaling.isOn(recipe) ? linearScaling.idle?.(recipe, recipe) : undefined;
  if (reason === undefined) return recipe;
  notes.push(`all rows are without linear scaling: ${reason}`);
  return linearScaling.off(recipe);
}
