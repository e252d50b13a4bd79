import { meanMetric } from "./mean-metric.js";

/** Mean cross-entropy against the labels, nats, which is their negative log-likelihood (NLL): -1/n sum_i log softmax(logits_i)[label_i]. */
export const loss = meanMetric(
  {
    ...{ name: "loss", title: "loss", higherIsBetter: false, form: "number", brief: true },
    meaning: "the labels' mean negative log-likelihood (NLL), nats (log_loss)",
  },
  ({ losses }, image) => losses[image] as number,
);
