import type { Metric } from "../metric.js";
import type { LabelSetOutcomes } from "./label-set-outcomes.js";
import { meanOverLabels, nothingToFind } from "./mean-over-labels.js";

/** The area under the ROC curve of each class, the mean over the classes that some images show and others do not. */
export const labelAuroc: Metric<LabelSetOutcomes> = {
  ...{ name: "auroc", title: "AUROC", higherIsBetter: true, form: "number" },
  meaning: "the mean area under the classes' ROC curves (roc_auc_score, average=macro): 0.5 is guessing",
  undefinedFor: nothingToFind,
  value: (outcomes) => meanOverLabels(outcomes, "auroc"),
};
