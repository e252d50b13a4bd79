import { TRICKS } from "../tricks/index.js";
import { type GoneOnFrom, settingsOf, type Trick } from "../tricks/trick.js";
import type { Recipe } from "./recipe.js";

/** The recipe of a run that goes on with other epochs or another rate: what is laid over the whole run, as a cosine, is laid over the rest. */
export function goingOn(recipe: Recipe, from: GoneOnFrom): Recipe {
  return Object.assign({ ...recipe }, ...TRICKS.map((trick: Trick) => trick.goesOn?.(settingsOf(trick, recipe), from)));
}
