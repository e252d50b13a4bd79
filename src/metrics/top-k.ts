import { descendingOrder, equal, narrow, sumAll, unsqueeze } from "../tensor/ops.js";
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
  return meanMetric(
    { name, title: name, higherIsBetter: true, form: "percent", saysAnythingFor: (classes) => classes > k },
    ({ logits, labels }) => {
      const [, classes = 1] = logits.shape;
      const first = narrow(descendingOrder(logits), 1, 0, Math.min(k, classes));
      return sumAll(equal(first, unsqueeze(labels, 1)));
    },
  );
}
