import type { HeldOut } from "../image-set.js";
import { type SplitOptions, USUAL_SHARE } from "../split-options.js";
import type { Labelled } from "./assignment.js";
import { iterativelyStratified } from "./iterative-stratification.js";
import { stratifiedFolds } from "./stratified-folds.js";
import { stratifiedSplit } from "./stratified-split.js";

/** What is held out by chance, as these options say it. */
export function heldOutBy({ validation, folds, fold = 1, seed = 0 }: SplitOptions): HeldOut {
  return folds === undefined
    ? { fraction: validation ?? USUAL_SHARE, seed }
    : { fraction: 1 / folds, seed, folds, fold };
}

/** The same in words: "20 % of each class held out for validation, seed 0" */
export function heldOutText({ fraction, seed, folds, fold }: HeldOut): string {
  const what =
    folds === undefined ? `${Number((100 * fraction).toPrecision(3))} % of each class` : `fold ${fold} of ${folds}`;
  return `${what} held out for validation, seed ${seed}`;
}

/** Which of items are held out, and which are left. @param classes their names */
export function heldOutOf(
  items: Labelled,
  { fraction, seed, folds, fold = 1 }: HeldOut,
  classes: readonly string[],
): Record<"train" | "validation", Uint32Array> {
  const { labelSets } = items;
  if (labelSets) {
    const shares = folds === undefined ? [fraction, 1 - fraction] : Array.from({ length: folds }, () => 1 / folds);
    return inPart(iterativelyStratified(items, labelSets, shares, seed), folds === undefined ? 0 : fold - 1);
  }
  if (folds === undefined) return stratifiedSplit(items, fraction, seed);
  return inPart(stratifiedFolds(items, folds, seed, classes), fold);
}

function inPart(partOf: Uint16Array, held: number): Record<"train" | "validation", Uint32Array> {
  const all = Uint32Array.from(partOf.keys());
  return {
    train: all.filter((index) => partOf[index] !== held),
    validation: all.filter((index) => partOf[index] === held),
  };
}
