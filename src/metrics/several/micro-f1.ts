import { f1Of } from "../class-counts.js";
import type { Metric } from "../metric.js";
import { classCountsOfSets } from "./label-counts.js";
import type { LabelSetOutcomes } from "./label-set-outcomes.js";

/** F1 over all labels of all images together: frequent classes count more. */
export const microF1: Metric<LabelSetOutcomes> = {
  ...{ name: "micro-f1", title: "micro F1", higherIsBetter: true, form: "percent" },
  meaning: "F1 over all labels of all images together, at the thresholds (f1_score, average=micro)",
  value: (outcomes) => {
    const counts = classCountsOfSets(outcomes);
    const sum = (key: "images" | "right" | "taken") => counts.reduce((total, each) => total + each[key], 0);
    return f1Of({ images: sum("images"), right: sum("right"), taken: sum("taken") });
  },
};
