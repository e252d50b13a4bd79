import { kindOf } from "../../data/kinds/kinds.js";
import type { InputFormat, LabelledSet, LabelSets } from "../../data/split.js";
import { type CheckpointOnData, type EvaluationPlace, withCheckpointOn } from "../../run/checkpoint-on-data.js";
import { permutation, randomFor } from "../../tensor/random.js";

/** Pictures at a network's size, held in memory, since they are gone through many times. */
export interface Pictures {
  /** [count, H, W, C] */
  readonly pixels: Uint8Array;
  /** As the checkpoint's classes are numbered. */
  readonly labels: Int32Array;
  /** Where a picture may show several classes: what its label stands for, and from which probability on it is taken for each. */
  readonly labelSets?: LabelSets | undefined;
  readonly thresholds?: readonly number[] | undefined;
  readonly count: number;
  readonly format: InputFormat;
}

export interface PicturesOfSet extends Pictures, Pick<CheckpointOnData, "badPictures" | "absent" | "ignored"> {}

/**
 * Images of a set as a checkpoint's network wants them: all, or where there are more than `most`, so many drawn at random, always the same.
 *
 * @throws InputError as `withCheckpointOn`
 */
export function picturesOf(
  checkpoint: string,
  set: LabelledSet,
  most: number,
  place: EvaluationPlace,
): Promise<PicturesOfSet> {
  const drawn = set.count <= most ? set : kindOf(set).select(set, some(most, set.count));
  return withCheckpointOn(checkpoint, [drawn], place, async (opened) => {
    const { batches, format, thresholds, badPictures, absent, ignored } = opened;
    const [pixels, labels]: [Uint8Array[], number[]] = [[], []];
    for await (const batch of batches) {
      pixels.push(batch.pixels);
      labels.push(...batch.labels);
    }
    const pictures = { pixels: Buffer.concat(pixels), labels: Int32Array.from(labels), count: labels.length, format };
    const several = format.labelSets && { labelSets: format.labelSets, thresholds };
    return { ...pictures, ...several, badPictures, absent, ignored };
  });
}

/** So many of them from one on, or the rest. */
export function picturesFrom({ pixels, labels, ...all }: Pictures, start: number, most: number): Pictures {
  const end = Math.min(start + most, all.count);
  const each = pixels.length / all.count;
  return {
    ...all,
    pixels: pixels.subarray(start * each, end * each),
    labels: labels.subarray(start, end),
    count: end - start,
  };
}

function some(most: number, count: number): Uint32Array {
  return permutation(count, randomFor(0, "pictures to quantize with")).slice(0, most).sort();
}
