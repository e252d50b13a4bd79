import type { Metric } from "./metric.js";
import { type Evaluated, imagesOf, type Outcomes, sumOver } from "./outcomes.js";

/** A metric that is the mean of something over the images. */
export function meanMetric<Of extends Evaluated = Outcomes>(
  about: Omit<Metric<Of>, "value">,
  of: (outcomes: Of, image: number) => number,
): Metric<Of> {
  return { ...about, value: (outcomes) => sumOver(outcomes, (image) => of(outcomes, image)) / imagesOf(outcomes) };
}
