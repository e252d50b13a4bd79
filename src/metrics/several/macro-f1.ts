import { f1Of, meanOf } from "../class-counts.js";
import type { Metric } from "../metric.js";
import { classCountsOfSets } from "./label-counts.js";
import type { LabelSetOutcomes } from "./label-set-outcomes.js";

/** The mean of the classes' F1 at their thresholds. A class that no image shows and none is taken for is left out. */
export const labelMacroF1: Metric<LabelSetOutcomes> = {
  ...{ name: "macro-f1", title: "macro F1", higherIsBetter: true, form: "percent", brief: true },
  meaning: "the mean F1 of the classes at their thresholds (f1_score, average=macro)",
  value: (outcomes) =>
    meanOf(
      classCountsOfSets(outcomes)
        .filter(({ images, taken }) => images + taken > 0)
        .map(f1Of),
    ),
};
