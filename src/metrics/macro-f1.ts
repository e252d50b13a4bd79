import { classCountsOf, f1Of, meanOf } from "./class-counts.js";
import type { Metric } from "./metric.js";

/**
 * The mean of the classes' F1. A class without images that something was taken for counts with 0, as does one that nothing is taken for; of which there is
 * neither, is left out.
 */
export const macroF1: Metric = {
  ...{ name: "macro-f1", title: "macro F1", higherIsBetter: true, form: "percent" },
  meaning: "the mean F1 of the classes (f1_score, average=macro)",
  value: (outcomes) =>
    meanOf(
      classCountsOf(outcomes)
        .filter(({ images, taken }) => images + taken > 0)
        .map(f1Of),
    ),
};
