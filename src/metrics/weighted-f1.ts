import { classCountsOf, f1Of } from "./class-counts.js";
import type { Metric } from "./metric.js";

/** The mean of the classes' F1, each weighted by its images. */
export const weightedF1: Metric = {
  ...{ name: "weighted-f1", title: "weighted F1", higherIsBetter: true, form: "percent" },
  meaning: "the mean F1 of the classes, weighted by their images (f1_score, average=weighted)",
  value: (outcomes) => {
    const counts = classCountsOf(outcomes);
    const total = counts.reduce((sum, { images }) => sum + images, 0);
    return counts.reduce((sum, each) => sum + each.images * f1Of(each), 0) / total;
  },
};
