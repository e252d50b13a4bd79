import type { ImagePrediction } from "../run/predict-set.js";

/** How often images of each class were taken for each class. */
export interface Confusion {
  /** How many images of a class were taken for a class. */
  readonly count: (label: number, predicted: number) => number;
  readonly classes: readonly ClassFigures[];
  /** Pairs of different classes that occur, the most frequent first. */
  readonly pairs: readonly ConfusedPair[];
}

export interface ClassFigures {
  readonly label: number;
  readonly images: number;
  /** Images of the class that were taken for it. */
  readonly right: number;
  /** Images of all classes that were taken for it. */
  readonly taken: number;
}

export interface ConfusedPair {
  readonly label: number;
  readonly predicted: number;
  readonly images: number;
}

/** Takes memory for the pairs that occur, and not for all: of 20,000 classes there would be 400 million. */
export function confusionOf(predictions: readonly ImagePrediction[], classes: number): Confusion {
  const counts = new Map<number, number>();
  const figures = Array.from({ length: classes }, (_, label) => ({ label, images: 0, right: 0, taken: 0 }));
  for (const { label, predicted } of predictions) {
    const pair = label * classes + predicted;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
    const [own, other] = [figures[label], figures[predicted]] as [Figures, Figures];
    own.images += 1;
    own.right += label === predicted ? 1 : 0;
    other.taken += 1;
  }
  const pairs = Array.from(counts, ([pair, images]): ConfusedPair => {
    return { label: Math.floor(pair / classes), predicted: pair % classes, images };
  });
  return {
    count: (label, predicted) => counts.get(label * classes + predicted) ?? 0,
    classes: figures,
    pairs: pairs
      .filter(({ label, predicted }) => label !== predicted)
      .sort((a, b) => b.images - a.images || a.label - b.label || a.predicted - b.predicted),
  };
}

type Figures = { -readonly [Key in keyof ClassFigures]: ClassFigures[Key] };
