import sharp from "sharp";
import { InputError } from "../../base/errors.js";
import { type Random, randomFor } from "../../tensor/random.js";
import { type Augmentation, augmentInto } from "../augment/augment.js";
import { evaluationPixels } from "../pictures/evaluation-transform.js";
import type { ImageSet } from "../image-set.js";
import { photoName, readPhoto } from "../sources/photo-locations.js";
import { type PhotoAugmentation, trainingPixels } from "../augment/photo-transform.js";
import { type FormattedPhotos, isFormattedPhotos, type Split } from "../split.js";

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

/** In place of a label. */
const LEFT_OUT = -1;

/** So many photographs at random are all bad only where far more than 5 % of the set are, which a run does not put up with. */
const SUBSTITUTES = 20;

/** Photographs a thread decodes at once: as many as Node has threads for such work. */
const AT_ONCE = 4;

/**
 * The images `indices` of a set. What becomes of an image depends only on (seed, epoch, its index in the set, its repeat), so it
 * does not matter who makes the batch, when, or which other images are in it.
 *
 * A photograph that cannot be read is left out of an evaluation. In training another one of the set, drawn at random, takes its
 * place with its own label, so that the batch keeps its size.
 *
 * @param repeats how often the epoch had each image before, where it has some more than once: each time they are changed anew
 * @throws InputError in training, where twenty photographs drawn for one that cannot be read cannot be read either.
 */
export async function makeBatch(
  source: BatchSource,
  epoch: number,
  indices: Uint32Array,
  repeats: Uint32Array = new Uint32Array(indices.length),
): Promise<BatchContent> {
  const { set } = source;
  return isFormattedPhotos(set)
    ? photoBatch(source, set, epoch, indices, repeats)
    : imageBatch(source, set, epoch, indices, repeats);
}

/** The stream of random numbers that belongs to an image. */
function streamOf(seed: number, epoch: number, index: number, repeat: number): Random {
  return repeat === 0 ? randomFor(seed, "augment", epoch, index) : randomFor(seed, "augment", epoch, index, repeat);
}

function imageBatch(
  { augmentation, seed }: BatchSource,
  set: ImageSet,
  epoch: number,
  indices: Uint32Array,
  repeats: Uint32Array,
): BatchContent {
  const bytes = set.height * set.width * set.channels;
  const pixels = new Uint8Array(indices.length * bytes);
  const labels = new Int32Array(indices.length);
  for (const [position, index] of indices.entries()) {
    const image = set.pixels.subarray(index * bytes, (index + 1) * bytes);
    const out = pixels.subarray(position * bytes, (position + 1) * bytes);
    if (augmentation)
      augmentInto(out, image, set, augmentation, streamOf(seed, epoch, index, repeats[position] as number));
    else out.set(image);
    labels[position] = set.labels[index] as number;
  }
  return { pixels, labels, bad: [] };
}

async function photoBatch(
  { augmentation, seed }: BatchSource,
  set: FormattedPhotos,
  epoch: number,
  indices: Uint32Array,
  repeats: Uint32Array,
): Promise<BatchContent> {
  // One thread a picture, several pictures at once: faster than the other way round, and the memory stays bounded.
  sharp.concurrency(1);
  sharp.cache(false);
  const bytes = set.height * set.width * set.channels;
  const pixels = new Uint8Array(indices.length * bytes);
  const labels = new Int32Array(indices.length).fill(LEFT_OUT);
  const bad = Array.from(indices, (): BadPicture[] => []);
  /** Puts a photograph there; @returns why it cannot be read, if so */
  const put = async (position: number, index: number, random: () => Random): Promise<string | undefined> => {
    const name = photoName(set.locations, index);
    try {
      const photo = await readPhoto(set.locations, index);
      const image = augmentation
        ? await trainingPixels(photo, set.height, augmentation, random())
        : await evaluationPixels(photo, set.evaluation);
      pixels.set(image, position * bytes);
      labels[position] = set.labels[index] as number;
      return undefined;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const reason = error.message.replace(/^the picture of \d+ bytes/, `the picture ${JSON.stringify(name)}`);
      bad[position]?.push([name, reason]);
      return reason;
    }
  };
  await inParallel(indices.length, async (position) => {
    const [index, repeat] = [indices[position] as number, repeats[position] as number];
    let reason = await put(position, index, () => streamOf(seed, epoch, index, repeat));
    if (reason === undefined || !augmentation) return;
    const random = randomFor(seed, "substitute", epoch, index, repeat);
    for (let i = 0; i < SUBSTITUTES && reason !== undefined; i++) {
      reason = await put(position, random.integer(set.count), () => random);
    }
    if (reason === undefined) return;
    throw new InputError(
      `${set.name}: of ${SUBSTITUTES + 1} pictures tried none can be read, as: ${reason}; see knack data check`,
    );
  });
  return { ...withoutGaps(pixels, labels, bytes), bad: bad.flat() };
}

/** The batch without the photographs that were left out. */
function withoutGaps(pixels: Uint8Array<ArrayBuffer>, labels: Int32Array<ArrayBuffer>, bytes: number) {
  const kept = [...labels.keys()].filter((position) => labels[position] !== LEFT_OUT);
  if (kept.length === labels.length) return { pixels, labels };
  for (const [to, from] of kept.entries()) pixels.copyWithin(to * bytes, from * bytes, (from + 1) * bytes);
  return { pixels: pixels.slice(0, kept.length * bytes), labels: labels.filter((label) => label !== LEFT_OUT) };
}

/** Does `work` for 0 ... count - 1, several at once. */
async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const line = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, line));
}
