import { METRICS } from "../metrics/index.js";
import { top1 } from "../metrics/top-1.js";
import { crossEntropy, oneHot, softmax } from "../tensor/ops.js";
import { OutcomesOnDevice } from "./outcomes-on-device.js";
import type { Task } from "./task.js";

/** Each image shows one class: the network gives a distribution over them. */
export const oneLabel: Task = {
  name: "single-label",
  words: "one label a picture",
  whose: ["the true class", "each other"],
  lossName: "cross-entropy",
  metrics: METRICS,
  select: top1.name,
  answers: (classes) => classes,
  targets: ({ classes }) => ({ of: (labels) => oneHot(labels, classes.length), [Symbol.dispose]: () => {} }),
  loss: crossEntropy,
  probabilities: (logits) => softmax(logits, 1),
  outcomes: ({ classes }, device) => new OutcomesOnDevice(classes.length, device),
};
