import { oneClass } from "./agreement.js";
import type { Metric } from "./metric.js";
import { meanOverClasses, tooManyScores } from "./one-against-rest.js";

/** Average precision, each class against all others, the mean over the classes (mAP). */
export const averagePrecision: Metric = {
  ...{ name: "average-precision", title: "average precision", higherIsBetter: true, form: "number" },
  meaning: "the mean area under the classes' curves of precision over recall, mAP (average_precision_score)",
  undefinedFor: (truth) => oneClass(truth) ?? tooManyScores(truth),
  value: (outcomes) => meanOverClasses(outcomes, "averagePrecision"),
};
