import { imagesOfClasses } from "../../data/split.js";
import { meanOf } from "../class-counts.js";
import type { ClassSeparation } from "../one-against-rest.js";
import type { Truth } from "../outcomes.js";
import type { LabelSetOutcomes } from "./label-set-outcomes.js";

/** The mean over the classes that have a value. */
export function meanOverLabels({ classes, scores, weights }: LabelSetOutcomes, key: keyof ClassSeparation): number {
  if (scores === undefined) return Number.NaN;
  const values = Array.from({ length: classes }, (_, label) => scores.separationOf(label, weights)[key]);
  return meanOf(values.filter((value) => !Number.isNaN(value)));
}

/** Why what tells classes apart has no value, where no class is shown by some images and not by others. */
export function nothingToFind({ classes, labels, labelSets }: Truth): string | undefined {
  const names = Array.from({ length: classes }, String);
  const counts = imagesOfClasses({ labels: Int32Array.from(labels), classes: names, labelSets });
  return counts.some((count) => count > 0 && count < labels.length)
    ? undefined
    : "no class is shown by some images and not by others";
}
