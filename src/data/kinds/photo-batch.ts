import sharp from "../pictures/sharp.js";
import { InputError } from "../../base/errors.js";
import { type Random, randomFor } from "../../tensor/random.js";
import { trainingPixels } from "../augment/photo-transform.js";
import { photoName, readPhoto } from "../photos/photo-locations.js";
import type { FormattedPhotos } from "../photos/photo-set.js";
import { evaluationPixels } from "../pictures/evaluation-transform.js";
import { augmentationStream, type BadPicture, type BatchContent, type BatchMaking } from "./kind.js";

/** In place of a label. */
const LEFT_OUT = -1;

/** So many photographs at random are all bad only where far more than 5 % of the set are, which a run does not put up with. */
const SUBSTITUTES = 20;

/** Photographs a thread decodes at once: as many as Node has threads for such work. */
const AT_ONCE = 4;

/** As `makeBatch` in loading/batch.ts. */
export async function photoBatch(
  set: FormattedPhotos,
  { augmentation, seed }: BatchMaking,
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
        ? await trainingPixels(photo, set.evaluation, augmentation, random(), { intensity: set.evaluation.intensity })
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
    let reason = await put(position, index, () => augmentationStream(seed, epoch, index, repeat));
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
