import { classCountsOf, meanOf, recallOf } from "./class-counts.js";
import type { Metric } from "./metric.js";

/** The mean of the recalls of the classes of which there are images: every class counts as much, however few its images. */
export const balancedAccuracy: Metric = {
  ...{ name: "balanced-accuracy", title: "balanced accuracy", higherIsBetter: true, form: "percent" },
  meaning: "the mean recall of the classes (balanced_accuracy_score)",
  value: (outcomes) =>
    meanOf(
      classCountsOf(outcomes)
        .filter(({ images }) => images > 0)
        .map(recallOf),
    ),
};
