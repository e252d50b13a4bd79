/** Metrics of images that may show several classes, or none. They bear the names of those for one label each where they mean the same. */
import type { Metric } from "../metric.js";
import { labelAuroc } from "./auroc.js";
import { meanAveragePrecision } from "./average-precision.js";
import { exactMatch } from "./exact-match.js";
import type { LabelSetOutcomes } from "./label-set-outcomes.js";
import { binaryLoss } from "./loss.js";
import { labelMacroF1 } from "./macro-f1.js";
import { microF1 } from "./micro-f1.js";

/** What every evaluation of such images measures, in the order in which it is shown. */
export const LABEL_SET_METRICS: readonly Metric<LabelSetOutcomes>[] = [
  meanAveragePrecision,
  labelMacroF1,
  binaryLoss,
  microF1,
  exactMatch,
  labelAuroc,
];
