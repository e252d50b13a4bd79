import type { LabelSets } from "../data/split.js";
import type { Scores } from "./scores.js";

/** What an evaluation keeps of its images, whatever they are labelled with. */
export interface Evaluated {
  readonly classes: number;
  /** How often each image counts: once in an evaluation, in one of a bootstrap as often as it was drawn. */
  readonly weights: Float64Array;
  readonly labels: Int32Array;
}

/**
 * What an evaluation keeps of images with one label each, in columns of one entry an image: all that metrics are made from. Outcomes of parts of
 * the images, one after the other, are those of all of them.
 */
export interface Outcomes extends Evaluated {
  /** The class with the highest logit, of equal ones the first. A logit that is no number is above all others. */
  readonly predicted: Int32Array;
  /** How many classes stand before the label in the order of the logits: 0 where it is the predicted class. */
  readonly ranks: Int32Array;
  /** -ln of the label's softmax probability: nats. */
  readonly losses: Float64Array;
  /** Softmax probability of the predicted class. */
  readonly confidences: Float64Array;
  /** Of every class; undefined where there are more than `MOST_SCORES`. */
  readonly scores: Scores | undefined;
}

/**
 * An evaluation keeps a score for every class of every image, 4 bytes, where there are no more than that: 64 MiB, and as much again while they
 * are ranked. It is 10,000 images of 1,677 classes.
 */
export const MOST_SCORES = 2 ** 24;

/** Bytes that an evaluation takes for scores: each is a float32, and then a place among those of its class. */
export function bytesOfScores(images: number, classes: number): number {
  const scores = images * classes;
  return scores > MOST_SCORES ? 0 : 8 * scores;
}

/** The labels of the images that are evaluated: what can be known of an evaluation before it. */
export interface Truth {
  readonly classes: number;
  readonly labels: ArrayLike<number>;
  /** Where images may have several labels: what `labels` stand for. */
  readonly labelSets?: LabelSets | undefined;
}

/** The sum of something over the images, each as often as it counts. */
export function sumOver({ weights }: Evaluated, of: (image: number) => number): number {
  return weights.reduce((sum, weight, image) => (weight === 0 ? sum : sum + weight * of(image)), 0);
}

/** How many images there are, each as often as it counts. */
export function imagesOf(outcomes: Evaluated): number {
  return sumOver(outcomes, () => 1);
}
