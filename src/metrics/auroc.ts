import { oneClass } from "./agreement.js";
import type { Metric } from "./metric.js";
import { meanOverClasses, tooManyScores } from "./one-against-rest.js";

/** The area under the ROC curve, each class against all others, the mean over the classes. */
export const auroc: Metric = {
  ...{ name: "auroc", title: "AUROC", higherIsBetter: true, form: "number" },
  meaning: "the mean area under the classes' ROC curves (roc_auc_score, multi_class=ovr): 0.5 is guessing",
  undefinedFor: (truth) => oneClass(truth) ?? tooManyScores(truth),
  value: (outcomes) => meanOverClasses(outcomes, "auroc"),
};
