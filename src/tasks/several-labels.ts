import { LABEL_SET_METRICS } from "../metrics/several/index.js";
import { meanAveragePrecision } from "../metrics/several/average-precision.js";
import { binaryCrossEntropy, indexSelect, sigmoid, toDevice } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { LogitsOnDevice } from "./logits-on-device.js";
import type { Task } from "./task.js";

/** Each image shows any number of classes: the network says of each for itself whether it is there. */
export const severalLabels: Task = {
  name: "multi-label",
  words: "any number of labels a picture",
  whose: ["each class of a picture", "each other"],
  lossName: "binary cross-entropy",
  metrics: LABEL_SET_METRICS,
  select: meanAveragePrecision.name,
  answers: () => 2,
  targets: ({ classes, labelSets = [] }, device) => {
    const rows = new Float32Array(labelSets.length * classes.length);
    for (const [row, labels] of labelSets.entries()) for (const label of labels) rows[row * classes.length + label] = 1;
    const table = scope(() => toDevice(Tensor.from(rows, [labelSets.length, classes.length]), device)).keep();
    return { of: (labels) => indexSelect(table, 0, labels), [Symbol.dispose]: () => table.dispose() };
  },
  loss: binaryCrossEntropy,
  probabilities: sigmoid,
  outcomes: ({ classes, labelSets = [] }, _, thresholds) => new LogitsOnDevice(classes.length, labelSets, thresholds),
};
