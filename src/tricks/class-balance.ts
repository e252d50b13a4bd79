import { InputError } from "../base/errors.js";
import { choice } from "../settings/schema.js";
import { mul, sum, toDevice } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { touched, type TrainingBatch, trick } from "./trick.js";

/** How many images each class has. */
export function classCounts(labels: Int32Array, classes: number): Float64Array {
  const counts = new Float64Array(classes);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/**
 * Weights that let every class count alike in the loss: w_c = N / (K n_c), so that their mean over the images is 1.
 *
 * @param labels the training images' classes
 * @param classes K
 * @returns one weight a class
 * @throws InputError where a class has no image.
 */
export function classWeights(labels: Int32Array, classes: number): Float32Array {
  const counts = classCounts(labels, classes);
  const empty = counts.indexOf(0);
  if (empty >= 0) throw new InputError(`classBalance: class ${empty} has no training image, so no weight balances it`);
  return Float32Array.from(counts, (count) => labels.length / (classes * count));
}

/**
 * The targets of a batch times what each of its images weighs: the weight of its class, of a mixed image those of its classes, by their
 * shares. The whole loss of the image is weighed, not each target for itself: a target of 0.1 that label smoothing gives to a class of weight
 * 10 would be worth more than one of 0.9 of weight 0.5.
 *
 * @param weights of the classes, [1, K]
 */
export function weightedTargets(
  { targets, shares }: Pick<TrainingBatch, "targets" | "shares">,
  weights: Tensor,
): Tensor {
  return scope(() => mul(targets, sum(mul(shares, weights), [1], true)));
}

/** Not in the paper: unequal classes count alike, by weights in the loss or by how often their images are drawn. */
export const classBalance = trick({
  name: "class-balance",
  summary: "unequal classes count alike",
  group: "transfer",
  switches: [
    {
      flags: "--class-balance <how>",
      help: "for unequal classes: none, weights (of the loss) or sampling",
      key: "classBalance",
      reads: "text",
    },
  ],
  shape: { classBalance: choice("none", "weights", "sampling") },
  off: { classBalance: "none" },
  paper: { classBalance: "weights" },
  start: ({ classBalance }, run) => {
    if (classBalance === "none") return false;
    let weights: Tensor | undefined; // [1, K]
    return {
      checked: () => {
        if (!run.train.labelSets) return;
        throw new InputError(
          "classBalance (--class-balance): with several labels a picture no weight or draw balances one class alone; drop it, or give --asymmetric-loss",
        );
      },
      ...(classBalance === "sampling"
        ? { sampling: "balanced" }
        : {
            built: () => {
              const { labels, classes } = run.train;
              const values = classWeights(labels, classes.length);
              weights = scope(() => toDevice(Tensor.from(values, [1, classes.length]), run.device)).keep();
            },
            weighted: (batch) => (weights ? weightedTargets(batch, weights) : batch.targets),
          }),
      touched: () => {
        const { labels, classes } = run.train;
        const counts = classCounts(labels, classes.length);
        const [least, most] = [Math.min(...counts), Math.max(...counts)];
        if (least === most) return touched(0, `every class has ${least} images: drop --class-balance`);
        const how = classBalance === "weights" ? "weighted in the loss" : "drawn equally often";
        return touched(classes.length, `classes of ${least} to ${most} images ${how}`);
      },
      dispose: () => weights?.dispose(),
    };
  },
});
