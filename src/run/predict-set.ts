import { kindOf } from "../data/kinds/kinds.js";
import type { Batch } from "../data/loading/loader.js";
import type { LabelledSet } from "../data/split.js";
import { prepareImages } from "../training/prepare-images.js";
import { KnackError } from "../base/errors.js";
import { noGradient } from "../tensor/autograd.js";
import { scope } from "../tensor/scope.js";
import { type EvaluationPlace, withCheckpointOn } from "./checkpoint-on-data.js";

/** What a network makes of one labelled image. */
export interface ImagePrediction {
  /** The image's number in its set. */
  readonly index: number;
  readonly label: number;
  /** The class with the highest probability, and whether the label is among the five highest. */
  readonly predicted: number;
  readonly inTop5: boolean;
  /** Softmax probability of the predicted class. */
  readonly confidence: number;
  /** -ln of the label's softmax probability: nats. */
  readonly negativeLogLikelihood: number;
}

/**
 * What a checkpoint makes of each image of a set, in float32, with the images as in `evaluateCheckpoint`. Photographs that cannot be
 * read are left out.
 *
 * @throws InputError where the checkpoint is broken or was made for other images or classes; KnackError where it gives no numbers.
 */
export function predictSet(path: string, set: LabelledSet, place: EvaluationPlace): Promise<ImagePrediction[]> {
  return withCheckpointOn(path, [set], place, async ({ batches, badPictures, format, device, logits }) => {
    const predictions: Omit<ImagePrediction, "index">[] = [];
    for await (const batch of batches) {
      const rows = scope(() => noGradient(() => logits(prepareImages(batch.pixels, format, device)).toArray()));
      if (!rows.every(Number.isFinite)) throw new KnackError(`${path} gives logits that are no numbers`);
      predictions.push(...predictionsOf(rows, batch));
    }
    const read = readable(set, badPictures);
    return predictions.map((prediction, position) => ({ index: read[position] as number, ...prediction }));
  });
}

/** @param rows [batch.size * classes] logits */
function predictionsOf(rows: readonly number[], { labels, size }: Batch): Omit<ImagePrediction, "index">[] {
  const classes = rows.length / size;
  return Array.from(labels, (label, position) => {
    const logits = rows.slice(position * classes, (position + 1) * classes);
    const most = logits.reduce((a, b) => Math.max(a, b));
    const logSum = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
    const own = logits[label] as number;
    return {
      label,
      predicted: logits.indexOf(most),
      inTop5: logits.filter((logit) => logit > own).length < 5,
      confidence: Math.exp(most - logSum),
      negativeLogLikelihood: logSum - own,
    };
  });
}

/** The numbers of the images that were evaluated, in order. */
function readable(set: LabelledSet, badPictures: ReadonlyMap<string, string>): number[] {
  const kind = kindOf(set);
  return Array.from({ length: set.count }, (_, index) => index).filter((index) => {
    const name = kind.nameOf(set, index);
    return name === undefined || !badPictures.has(name);
  });
}
