import { InputError } from "../../base/errors.js";
import { augmentInto } from "../augment/image-transform.js";
import { AUGMENTERS } from "../augment/index.js";
import { type ImageSet, sharedBytes, sharedLabels } from "../image-set.js";
import { viewOf } from "../pictures/bands.js";
import type { Augmenter } from "../augment/augmenter.js";
import { augmentationStream, type BatchContent, type BatchMaking, type DataKind } from "./kind.js";

/** Small images, decoded: what programs hand over, and what has no tag. */
export const imagesInMemory: DataKind<ImageSet> = {
  tag: "images",
  defaultWorkers: () => 0,
  // They only have to be copied, which is as fast here.
  evaluationWorkers: () => 0,
  nameOf: () => undefined,
  identityOf: imageOf,
  inputFormat: (set) => set,
  formatted: (set, { mean, std }) => ({ ...set, mean, std }),
  evaluation: ({ height, width, channels, mean }) => {
    return { size: [height, width], resize: "crop", cropPct: 1, interpolation: "bilinear", channels, mean };
  },
  select(set, indices) {
    const pixels = sharedBytes(indices.length * bytesOf(set));
    const labels = sharedLabels(indices.length);
    for (const [to, from] of indices.entries()) {
      pixels.set(imageOf(set, from), to * bytesOf(set));
      labels[to] = set.labels[from] as number;
    }
    return { ...set, pixels, labels, count: indices.length };
  },
  async cached() {
    throw new InputError("cache (--cache): only photographs are cached; drop it");
  },
  async open(set, index) {
    const { height, width, channels } = set;
    return { pipeline: viewOf({ pixels: imageOf(set, index), height, width, channels }), pixelated: true };
  },
  requireFit(set, augmentation) {
    const augmenters: readonly Augmenter[] = AUGMENTERS;
    for (const augmenter of augmenters) augmenter.requireFit?.(augmentation, set);
  },
  makeBatch: imageBatch,
};

function bytesOf({ height, width, channels }: ImageSet): number {
  return height * width * channels;
}

function imageOf(set: ImageSet, index: number): Uint8Array {
  const bytes = bytesOf(set);
  return set.pixels.subarray(index * bytes, (index + 1) * bytes);
}

function imageBatch(
  set: ImageSet,
  { augmentation, seed }: BatchMaking,
  epoch: number,
  indices: Uint32Array,
  repeats: Uint32Array,
): BatchContent {
  const bytes = bytesOf(set);
  const pixels = new Uint8Array(indices.length * bytes);
  const labels = new Int32Array(indices.length);
  for (const [position, index] of indices.entries()) {
    const image = imageOf(set, index);
    const out = pixels.subarray(position * bytes, (position + 1) * bytes);
    if (augmentation) {
      const random = augmentationStream(seed, epoch, index, repeats[position] as number);
      augmentInto(out, image, set, augmentation, random);
    } else out.set(image);
    labels[position] = set.labels[index] as number;
  }
  return { pixels, labels, bad: [] };
}
