import { classesOfLabel, type LabelSets } from "../../data/split.js";
import type { Evaluated } from "../outcomes.js";
import { LabelScores } from "./label-scores.js";
import { bestThresholds } from "./thresholds.js";

/** What an evaluation keeps of images that may show several classes, or none: all that their metrics are made from. */
export interface LabelSetOutcomes extends Evaluated {
  /** What `labels` stand for. */
  readonly labelSets: LabelSets;
  /** From which probability on an image is taken for each class. */
  readonly thresholds: readonly number[];
  /** Of each image the classes that it is taken for. */
  readonly taken: readonly (readonly number[])[];
  /** Binary cross-entropy of each image, the sum over the classes, which is -ln of the probability of its labels: nats. */
  readonly losses: Float64Array;
  /** Of every class; a bootstrap of many leaves them out. */
  readonly scores: LabelScores | undefined;
}

/**
 * @param logits [images, classes]
 * @param thresholds those that best suit these images by default: the classes' highest F1
 */
export function labelSetOutcomes(
  logits: Float32Array,
  { labels, labelSets, classes }: Pick<LabelSetOutcomes, "labels" | "labelSets" | "classes">,
  thresholds?: readonly number[],
): LabelSetOutcomes {
  const scores = new LabelScores(logits, labels, labelSets, classes);
  const from = thresholds ?? bestThresholds(scores, classes);
  const images = [...labels.keys()];
  return {
    classes,
    weights: new Float64Array(labels.length).fill(1),
    labels,
    labelSets,
    thresholds: from,
    taken: images.map((image) =>
      from.flatMap((threshold, label) => (scores.probability(image, label) >= threshold ? [label] : [])),
    ),
    losses: Float64Array.from(images, (image) => scores.loss(image)),
    scores,
  };
}

/** The classes that an image shows. */
export function shownIn(
  { labels, labelSets }: Pick<LabelSetOutcomes, "labels" | "labelSets">,
  image: number,
): readonly number[] {
  return classesOfLabel(labels[image] as number, labelSets);
}
