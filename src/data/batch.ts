import sharp from "sharp";
import { InputError } from "../errors.js";
import { randomFor } from "../tensor/random.js";
import { type Augmentation, augmentInto } from "./augment.js";
import { evaluationPixels } from "./evaluation-transform.js";
import type { ImageSet } from "./image-set.js";
import { photoName, readPhoto } from "./photo-locations.js";
import { type PhotoAugmentation, trainingPixels } from "./photo-transform.js";
import { type FormattedPhotos, isFormattedPhotos, type Split } from "./split.js";

/** What a batch is made from: all of it is plain data that can be handed to a worker. */
export interface BatchSource {
  readonly set: Split;
  /** How images are changed for training; without it they are as in evaluation. */
  readonly augmentation: (Augmentation & PhotoAugmentation) | undefined;
  readonly seed: number;
}

/** A photograph that cannot be read, and why. */
export type BadPicture = readonly [name: string, reason: string];

/** The images (NHWC uint8) and labels of one batch, on buffers of their own. */
export interface BatchContent {
  readonly pixels: Uint8Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
  readonly bad: readonly BadPicture[];
}

/** Photographs a thread decodes at once: as many as Node has threads for such work. */
const AT_ONCE = 4;

/**
 * The images `indices` of a set. What becomes of an image depends only on (seed, epoch, its index in the set), so it does not
 * matter who makes the batch, when, or which other images are in it.
 *
 * A photograph that cannot be read is left out of an evaluation. In training the next one of the batch that can be read takes its
 * place, changed in another way, so that the batch keeps its size and its content still depends on nothing else.
 *
 * @throws InputError where no photograph of the batch can be read.
 */
export async function makeBatch(source: BatchSource, epoch: number, indices: Uint32Array): Promise<BatchContent> {
  const { set } = source;
  return isFormattedPhotos(set) ? photoBatch(source, set, epoch, indices) : imageBatch(source, set, epoch, indices);
}

function imageBatch(source: BatchSource, set: ImageSet, epoch: number, indices: Uint32Array): BatchContent {
  const bytes = set.height * set.width * set.channels;
  const pixels = new Uint8Array(indices.length * bytes);
  const labels = new Int32Array(indices.length);
  for (const [position, index] of indices.entries()) {
    const image = set.pixels.subarray(index * bytes, (index + 1) * bytes);
    const out = pixels.subarray(position * bytes, (position + 1) * bytes);
    if (source.augmentation) {
      augmentInto(out, image, set, source.augmentation, randomFor(source.seed, "augment", epoch, index));
    } else out.set(image);
    labels[position] = set.labels[index] as number;
  }
  return { pixels, labels, bad: [] };
}

async function photoBatch(
  { augmentation, seed }: BatchSource,
  set: FormattedPhotos,
  epoch: number,
  indices: Uint32Array,
): Promise<BatchContent> {
  // One thread a picture, several pictures at once: faster than the other way round, and the memory stays bounded.
  sharp.concurrency(1);
  sharp.cache(false);
  const load = async (index: number, ...role: string[]): Promise<Uint8Array> => {
    const photo = await readPhoto(set.locations, index);
    if (!augmentation) return evaluationPixels(photo, set.evaluation);
    return trainingPixels(photo, set.height, augmentation, randomFor(seed, "augment", epoch, index, ...role));
  };
  const images: (Uint8Array | undefined)[] = Array(indices.length).fill(undefined);
  const bad: BadPicture[] = [];
  await inParallel(indices.length, async (position) => {
    const index = indices[position] as number;
    try {
      images[position] = await load(index);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      bad.push([photoName(set.locations, index), error.message]);
    }
  });
  const readable = [...images.keys()].filter((position) => images[position] !== undefined);
  if (augmentation && readable.length > 0) {
    await inParallel(images.length, async (position) => {
      if (images[position] !== undefined) return;
      const substitute = readable.find((other) => other > position) ?? (readable[0] as number);
      images[position] = await load(indices[substitute] as number, `for ${indices[position]}`);
      indices = indices.with(position, indices[substitute] as number);
    });
  }
  return { ...gathered(set, images, indices), bad };
}

function gathered(set: FormattedPhotos, images: readonly (Uint8Array | undefined)[], indices: Uint32Array) {
  const positions = [...images.keys()].filter((position) => images[position] !== undefined);
  const bytes = set.height * set.width * set.channels;
  const pixels = new Uint8Array(positions.length * bytes);
  for (const [to, position] of positions.entries()) pixels.set(images[position] as Uint8Array, to * bytes);
  const labels = Int32Array.from(positions, (position) => set.labels[indices[position] as number] as number);
  return { pixels, labels };
}

/** Does `work` for 0 ... count - 1, several at once. */
async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const line = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, line));
}
