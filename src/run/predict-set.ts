import { KnackError } from "../base/errors.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { LabelledSet } from "../data/split.js";
import type { MetricValues } from "../metrics/metric.js";
import type { EvaluatedImage } from "../training/evaluate.js";
import type { EvaluationPlace } from "./checkpoint-on-data.js";
import { evaluateCheckpoint } from "./evaluate-checkpoint.js";

/** What a network makes of one labelled image. */
export interface ImagePrediction {
  /** The image's number in its set. */
  readonly index: number;
  readonly label: number;
  /** The class with the highest logit, of several the first: the one that top-1 counts. */
  readonly predicted: number;
  /** Softmax probability of the predicted class. */
  readonly confidence: number;
  /** -ln of the label's softmax probability: nats. */
  readonly negativeLogLikelihood: number;
}

/** The same, and the softmax probability of each class. */
export interface WholePrediction extends ImagePrediction {
  readonly probabilities: Float64Array;
}

/** What a network makes of a set, image by image and on the whole. */
export interface SetPrediction<Prediction extends ImagePrediction = ImagePrediction> {
  readonly predictions: readonly Prediction[];
  readonly metrics: MetricValues;
}

/**
 * What a checkpoint makes of each image of a set, beside what `evaluateCheckpoint` measures on it. Photographs that cannot be read are left
 * out.
 *
 * @throws as `evaluateCheckpoint`; KnackError where it gives no numbers.
 */
export function predictSet(path: string, set: LabelledSet, place: EvaluationPlace): Promise<SetPrediction> {
  return predictEach(path, set, place, predictionOf);
}

/** As `predictSet`, with the probabilities of all classes. @param looked called for each image */
export function predictWhole(
  path: string,
  set: LabelledSet,
  place: EvaluationPlace,
  looked: () => void,
): Promise<SetPrediction<WholePrediction>> {
  return predictEach(path, set, place, (image) => {
    looked();
    return { ...predictionOf(image), probabilities: softmaxOf(image.logits) };
  });
}

async function predictEach<Prediction extends ImagePrediction>(
  path: string,
  set: LabelledSet,
  place: EvaluationPlace,
  of: (image: EvaluatedImage) => Prediction,
): Promise<SetPrediction<Prediction>> {
  const predictions: Prediction[] = [];
  const seen = (image: EvaluatedImage) => {
    if (!image.logits.every(Number.isFinite))
      throw new KnackError(`${path} gives logits that are no numbers: its weights are broken`);
    predictions.push(of(image));
  };
  const { metrics, badPictures } = await evaluateCheckpoint(path, [set], { ...place, seen });
  const read = readable(set, badPictures);
  return { predictions: predictions.map((each) => ({ ...each, index: read[each.index] as number })), metrics };
}

function predictionOf({ index, label, logits }: EvaluatedImage): ImagePrediction {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const logSum = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
  return {
    index,
    label,
    predicted: logits.indexOf(most),
    confidence: Math.exp(most - logSum),
    negativeLogLikelihood: logSum - (logits[label] as number),
  };
}

function softmaxOf(logits: EvaluatedImage["logits"]): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The numbers of the images that were evaluated, in order. */
function readable(set: LabelledSet, badPictures: ReadonlyMap<string, string>): number[] {
  const kind = kindOf(set);
  return Array.from({ length: set.count }, (_, index) => index).filter((index) => {
    const name = kind.nameOf(set, index);
    return name === undefined || !badPictures.has(name);
  });
}
