/** What tricks that mix the images of a batch have in common: with which other image, and how much of it. */
import type { CoreRecipe } from "../settings/core.js";
import { Generator } from "../tensor/generator.js";
import { full, indexSelect, randomPermutation, sampleDirichlet, toDevice } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Touched, touched } from "./trick.js";

/** lambda ~ Beta(alpha, alpha), one for the whole batch. */
export function drawLambda(alpha: number, seed: number): number {
  return scope(() => {
    using generator = new Generator(seed);
    const [lambda = 1] = sampleDirichlet(full([1, 2], alpha, "float64"), generator).toArray();
    return lambda;
  });
}

/** Each image's partner is another one of the batch, or itself, at random. @returns what gives the partners of the rows of a tensor [N, ...] */
export function permuted(images: Tensor, seed: number): (x: Tensor) => Tensor {
  const [count = 0] = images.shape;
  using generator = new Generator(seed);
  const order = toDevice(randomPermutation(count, generator), images.device);
  return (x) => indexSelect(x, 0, order);
}

/** For the audit: every image is mixed, unless each has no partner. */
export function touchedByMixing({ batchSize, accumulation }: CoreRecipe, detail: string): Touched {
  return accumulation === batchSize
    ? touched(0, "every part holds one image, which has no partner: use a smaller --accumulation")
    : touched(batchSize, detail);
}
