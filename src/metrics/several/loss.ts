import { meanMetric } from "../mean-metric.js";
import type { LabelSetOutcomes } from "./label-set-outcomes.js";

/** Mean binary cross-entropy against the labels, nats, which is the negative log-likelihood of an image's labels: the sum over the classes. */
export const binaryLoss = meanMetric<LabelSetOutcomes>(
  {
    ...{ name: "loss", title: "loss", higherIsBetter: false, form: "number", brief: true },
    meaning: "the mean negative log-likelihood of an image's labels, nats (the sum of the classes' log_loss)",
  },
  ({ losses }, image) => losses[image] as number,
);
