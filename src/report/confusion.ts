import { type ClassFigures, classFiguresOf } from "../metrics/class-figures.js";
import type { Outcomes } from "../metrics/outcomes.js";

/** How often images of each class were taken for each class. */
export interface Confusion {
  /** How many images of a class were taken for a class. */
  readonly count: (label: number, predicted: number) => number;
  /** In their order. */
  readonly classes: readonly LabelledFigures[];
  /** Pairs of different classes that occur, the most frequent first. */
  readonly pairs: readonly ConfusedPair[];
}

export interface LabelledFigures extends ClassFigures {
  readonly label: number;
}

export interface ConfusedPair {
  readonly label: number;
  readonly predicted: number;
  readonly images: number;
}

/** Takes memory for the pairs that occur, and not for all: of 20,000 classes there would be 400 million. */
export function confusionOf(outcomes: Outcomes): Confusion {
  const { classes, labels, predicted } = outcomes;
  const counts = new Map<number, number>();
  for (const [image, label] of labels.entries()) {
    const pair = label * classes + (predicted[image] as number);
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const pairs = Array.from(counts, ([pair, images]): ConfusedPair => {
    return { label: Math.floor(pair / classes), predicted: pair % classes, images };
  });
  return {
    count: (label, predicted) => counts.get(label * classes + predicted) ?? 0,
    classes: classFiguresOf(outcomes).map((figures, label) => ({ label, ...figures })),
    pairs: pairs
      .filter(({ label, predicted }) => label !== predicted)
      .sort((a, b) => b.images - a.images || a.label - b.label || a.predicted - b.predicted),
  };
}
