import { randomFor } from "../tensor/random.js";
import { type Augmentation, augmentInto } from "./augment.js";
import type { ImageSet } from "./image-set.js";

/** What a batch is made from: all of it is plain data that can be handed to a worker. */
export interface BatchSource {
  readonly set: ImageSet;
  readonly augmentation: Augmentation;
  readonly seed: number;
}

/** The images (NHWC uint8) and labels of one batch, on buffers of their own. */
export interface BatchContent {
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
}

/**
 * The augmented images `indices` of a set. What becomes of an image depends only on (seed, epoch, its index in the set),
 * so it does not matter who makes the batch, when, or which other images are in it.
 */
export function makeBatch({ set, augmentation, seed }: BatchSource, epoch: number, indices: Uint32Array): BatchContent {
  const bytes = set.height * set.width * set.channels;
  const pixels = new Uint8Array(indices.length * bytes);
  const labels = new Int32Array(indices.length);
  for (const [position, index] of indices.entries()) {
    const image = set.pixels.subarray(index * bytes, (index + 1) * bytes);
    const out = pixels.subarray(position * bytes, (position + 1) * bytes);
    augmentInto(out, image, set, augmentation, randomFor(seed, "augment", epoch, index));
    labels[position] = set.labels[index] as number;
  }
  return { pixels, labels };
}
