import { crossEntropy, mulScalar, toDType } from "../tensor/ops.js";
import { meanMetric } from "./mean-metric.js";

/** Mean cross-entropy against the labels, nats: -1/n sum_i log softmax(logits_i)[label_i]. A batch's mean is float32, all else float64. */
export const loss = meanMetric(
  { name: "loss", title: "loss", higherIsBetter: false, form: "number", saysAnythingFor: () => true },
  ({ logits, labels }) => {
    const [count = 0] = logits.shape;
    return mulScalar(toDType(crossEntropy(logits, labels), "float64"), count);
  },
);
