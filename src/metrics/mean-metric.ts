import { addInPlace, full, reshape, toDType } from "../tensor/ops.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Metric, MetricBatch } from "./metric.js";

/**
 * A metric that is the mean of something over the images.
 *
 * @param sumOf what it adds up to over a batch: a scalar of any dtype. The sum over batches is float64.
 */
export function meanMetric(
  about: Pick<Metric, "name" | "title" | "higherIsBetter" | "form" | "saysAnythingFor">,
  sumOf: (batch: MetricBatch) => Tensor,
): Metric {
  return {
    ...about,
    init: (_, device) => full([1], 0, "float64", device),
    update: (sums, batch) => {
      addInPlace(sums, reshape(toDType(sumOf(batch), "float64"), [1]));
    },
    result: ([sum = 0], images) => sum / images,
  };
}
