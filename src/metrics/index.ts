import { loss } from "./loss.js";
import type { Metric } from "./metric.js";
import { top1 } from "./top-1.js";
import { top5 } from "./top-5.js";

/** What every evaluation measures, in the order in which it is shown. A new metric is a file beside these and a line here. */
export const METRICS: readonly Metric[] = [
  top1, //
  top5,
  loss,
];

/** Those of them that say anything for so many classes: what people are shown. */
export function metricsFor(classes: number): Metric[] {
  return METRICS.filter(({ saysAnythingFor }) => saysAnythingFor(classes));
}
