import { InputError } from "../base/errors.js";

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
