import { meanMetric } from "../mean-metric.js";
import { type LabelSetOutcomes, shownIn } from "./label-set-outcomes.js";

/** The share of the images that are taken for just the classes that they show. */
export const exactMatch = meanMetric<LabelSetOutcomes>(
  {
    ...{ name: "exact-match", title: "exact match", higherIsBetter: true, form: "percent" },
    meaning: "the share of the images of which all labels are right, at the thresholds (accuracy_score)",
  },
  (outcomes, image) => {
    const taken = outcomes.taken[image] as readonly number[];
    const shown = shownIn(outcomes, image);
    return taken.length === shown.length && taken.every((label, at) => label === shown[at]) ? 1 : 0;
  },
);
