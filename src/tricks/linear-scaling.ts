import { digits } from "../base/printable.js";
import { count, offOr } from "../settings/schema.js";
import { touched, trick } from "./trick.js";

/**
 * Linear scaling of the learning rate, section 3.1: `eta = lr * b / 256`.
 *
 * A larger batch makes the gradient less noisy, so the step may grow with it.
 *
 * @param lr the learning rate that suits `referenceBatch` images a step (0.1 in the paper)
 * @param batchSize `b`, the GLOBAL batch: images per optimizer step over all processes and accumulation steps
 */
export function scaledLearningRate(lr: number, batchSize: number, referenceBatch = 256): number {
  return (lr * batchSize) / referenceBatch;
}

export const linearScaling = trick({
  name: "linear-scaling",
  section: "3.1",
  summary: "linear scaling of the learning rate with the batch",
  group: "tricks",
  switches: [
    { flags: "--linear-scaling", help: "scale the learning rate with the batch size", key: "linearScaling", value: {} },
    { flags: "--no-linear-scaling", help: "use the learning rate as it is", key: "linearScaling", value: false },
  ],
  shape: { linearScaling: offOr({ referenceBatch: count }) },
  off: { linearScaling: false },
  paper: { linearScaling: { referenceBatch: 256 } },
  start: ({ linearScaling }, run) => {
    if (!linearScaling) return false;
    const { lr, batchSize } = run.recipe;
    const { referenceBatch } = linearScaling;
    const scaled = (rate: number) => scaledLearningRate(rate, batchSize, referenceBatch);
    return {
      rate: (schedule) => ({ ...schedule, peak: scaled(schedule.peak), at: (step) => scaled(schedule.at(step)) }),
      touched: () =>
        run.schedule.peak !== lr
          ? touched(
              run.schedule.totalSteps,
              `lr ${digits(lr)} x ${batchSize} / ${referenceBatch} = ${digits(run.schedule.peak)}`,
            )
          : touched(
              0,
              `the batch size is the reference batch, ${referenceBatch}: use another --batch-size or --no-linear-scaling`,
            ),
    };
  },
  idle: ({ linearScaling }, { batchSize }) =>
    linearScaling && batchSize === linearScaling.referenceBatch
      ? `at a batch of ${batchSize} its factor is 1`
      : undefined,
});
