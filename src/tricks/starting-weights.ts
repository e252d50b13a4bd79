import type { CoreRecipe } from "../settings/core.js";
import type { InitialWeights } from "../weights/initial-weights.js";
import { TRICKS } from "./index.js";
import { plannedRun } from "./planned-run.js";
import { RunningTricks } from "./running-tricks.js";
import type { Trick } from "./trick.js";

/**
 * What a new run starts from in place of random weights. They are read before the data are opened, because a checkpoint says how images
 * are normalised.
 *
 * @throws InputError where the recipe wants such weights and names none, or what is missing, damaged or of another kind
 */
export function startingWeights(recipe: CoreRecipe, own: readonly Trick[]): InitialWeights | undefined {
  return new RunningTricks([...TRICKS, ...own], plannedRun(recipe, 1)).startsFrom();
}
