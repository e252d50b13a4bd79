import { meanMetric } from "./mean-metric.js";
import type { Metric } from "./metric.js";

/**
 * The share of the images whose label is among the k classes of the highest logits.
 *
 * Ties: the classes stand in the order of their logits, the highest first and of equal ones the lower class first, and the first k of them
 * count. So never more than k classes do, whatever the network says, and top-1 is right where the first class with the highest logit is the
 * label. A logit that is no number (NaN) stands before all others.
 *
 * Among k classes or fewer every label is: it says nothing there.
 */
export function topK(k: number): Metric {
  const name = `top-${k}`;
  const meaning =
    k === 1
      ? "the share of the images that are recognised (accuracy_score)"
      : `the share of the images whose label is among the first ${k} classes (top_k_accuracy_score)`;
  return meanMetric(
    {
      ...{ name, title: name, meaning, higherIsBetter: true, form: "percent", brief: true },
      saysAnythingFor: (classes) => classes > k,
    },
    ({ ranks }, image) => ((ranks[image] as number) < k ? 1 : 0),
  );
}
