import type { Metric } from "../metric.js";
import type { LabelSetOutcomes } from "./label-set-outcomes.js";
import { meanOverLabels, nothingToFind } from "./mean-over-labels.js";

/** Mean average precision: of each class over all images, the mean over the classes that some image shows. */
export const meanAveragePrecision: Metric<LabelSetOutcomes> = {
  ...{ name: "average-precision", title: "mAP", higherIsBetter: true, form: "percent", brief: true },
  meaning: "the mean area under the classes' curves of precision over recall (average_precision_score, average=macro)",
  undefinedFor: nothingToFind,
  value: (outcomes) => meanOverLabels(outcomes, "averagePrecision"),
};
