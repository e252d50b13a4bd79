/** Tricks as switches of a recipe: what the rows of a table differ in. */
import type { Recipe } from "../../recipe/recipe.js";
import { TRICKS } from "../../tricks/index.js";
import { momentsOf } from "../../tricks/running-tricks.js";
import { isOn, settingsOf, type Trick } from "../../tricks/trick.js";

/** The paper's bag, in its order. */
export const BAG: readonly Trick[] = TRICKS.filter(({ section }: Trick) => section !== undefined);

/** A trick of the list by its name. */
export function trickNamed(name: string): Trick {
  const found = TRICKS.find((trick) => trick.name === name);
  if (found === undefined) throw new Error(`there is no trick "${name}"`);
  return found;
}

/** @param settings a recipe whose settings of the trick are taken where it has it on; else the paper's are */
export function switchedOn(trick: Trick, recipe: Recipe, settings: Recipe): Recipe {
  return { ...recipe, ...settingsWhenOn(trick, recipe, settings) };
}

export function switchedOff(trick: Trick, recipe: Recipe): Recipe {
  return { ...recipe, ...(trick.asSwitch?.off?.(settingsOf(trick, recipe), recipe) ?? trick.off) };
}

/** Why the trick would change nothing in this recipe; undefined where it would. */
export function idleReason(trick: Trick, recipe: Recipe, settings: Recipe): string | undefined {
  return trick.idle?.(settingsWhenOn(trick, recipe, settings), recipe);
}

/** The recipe without these tricks. */
export function withoutTricks(recipe: Recipe, tricks: readonly Trick[]): Recipe {
  return tricks.reduce((stripped, trick) => switchedOff(trick, stripped), recipe);
}

/** Tricks that change targets, batches or the loss: what the network learns from, and not only how. */
export function changingLessons(recipe: Recipe): Trick[] {
  return TRICKS.filter((trick: Trick) => {
    const moments = momentsOf(trick, recipe);
    return (["targets", "batch", "loss"] as const).some((moment) => moments.has(moment));
  });
}

function settingsWhenOn(trick: Trick, recipe: Recipe, settings: Recipe): Readonly<Record<string, unknown>> {
  if (isOn(trick, settings) && Object.keys(trick.shape).length > 0) return settingsOf(trick, settings);
  return trick.asSwitch?.on?.(recipe) ?? trick.paper;
}
