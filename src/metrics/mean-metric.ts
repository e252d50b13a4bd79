import type { Metric } from "./metric.js";
import { imagesOf, type Outcomes, sumOver } from "./outcomes.js";

/** A metric that is the mean of something over the images. */
export function meanMetric(about: Omit<Metric, "value">, of: (outcomes: Outcomes, image: number) => number): Metric {
  return { ...about, value: (outcomes) => sumOver(outcomes, (image) => of(outcomes, image)) / imagesOf(outcomes) };
}
