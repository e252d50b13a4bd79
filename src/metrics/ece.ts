import { calibrationOf } from "./calibration.js";
import type { Metric } from "./metric.js";

/** The expected calibration error. */
export const ece: Metric = {
  ...{ name: "ece", title: "ECE", higherIsBetter: false, form: "percent" },
  meaning: "by how much it is surer or less sure than it is right: the expected calibration error, 15 bins",
  shiftedByRepeats: true,
  value: (outcomes) => calibrationOf(outcomes).ece,
};
