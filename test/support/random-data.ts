import type { DataSource, ImageSet } from "../../src/data/image-set.js";
import type { Batch } from "../../src/data/loading/loader.js";
import { randomFor } from "../../src/tensor/random.js";

export const CLASSES = 10;

/** `count` noise images of `side` x `side` x 3 with random labels, for training and validation alike. The same each time. */
export function randomData(count: number, side: number): DataSource {
  const random = randomFor(0, "random-data");
  const set: ImageSet = {
    name: "noise",
    pixels: Uint8Array.from({ length: count * side * side * 3 }, () => random.integer(256)),
    labels: Int32Array.from({ length: count }, () => random.integer(CLASSES)),
    count,
    height: side,
    width: side,
    channels: 3,
    classes: Array.from({ length: CLASSES }, (_, label) => String(label)),
    mean: [0.5, 0.45, 0.55],
    std: [0.3, 0.25, 0.28],
  };
  return { train: set, validation: set, description: "noise" };
}

/** The training images in order, as the batch of `step`; after the last batch the first comes again. */
export function batchOf({ train }: DataSource, size: number, step: number): Batch {
  const { pixels, labels, count } = train;
  const index = step % Math.floor(count / size);
  const bytes = (pixels.length / count) * size;
  return {
    pixels: pixels.subarray(index * bytes, (index + 1) * bytes),
    labels: labels.subarray(index * size, (index + 1) * size),
    size,
    index,
  };
}
