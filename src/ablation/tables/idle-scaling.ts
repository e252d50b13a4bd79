import type { Recipe } from "../../recipe/recipe.js";
import { isOn } from "../../tricks/trick.js";
import { idleReason, switchedOff, trickNamed } from "./switching.js";

/** The recipe, without linear scaling where its factor is 1: a trick that changes nothing could not be trained. */
export function withoutIdleScaling(recipe: Recipe, notes: string[]): Recipe {
  const scaling = trickNamed("linear-scaling");
  const reason = isOn(scaling, recipe) ? idleReason(scaling, recipe, recipe) : undefined;
  if (reason === undefined) return recipe;
  notes.push(`all rows are without linear scaling: ${reason}`);
  return switchedOff(scaling, recipe);
}
