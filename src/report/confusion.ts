import type { ImagePrediction } from "../training/predict-set.js";

/** How often images of each class were taken for each class. */
export interface Confusion {
  /** [class, predicted class] numbers of images */
  readonly counts: readonly Uint32Array[];
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

export function confusionOf(predictions: readonly ImagePrediction[], classes: number): Confusion {
  const counts = Array.from({ length: classes }, () => new Uint32Array(classes));
  const taken = new Uint32Array(classes);
  for (const { label, predicted } of predictions) {
    (counts[label] as Uint32Array)[predicted] = (counts[label]?.[predicted] ?? 0) + 1;
    taken[predicted] = (taken[predicted] as number) + 1;
  }
  const pairs: ConfusedPair[] = [];
  for (const [label, row] of counts.entries()) {
    for (const [predicted, images] of row.entries()) {
      if (images > 0 && label !== predicted) pairs.push({ label, predicted, images });
    }
  }
  return {
    counts,
    classes: counts.map((row, label) => ({
      label,
      images: row.reduce((sum, images) => sum + images, 0),
      right: row[label] as number,
      taken: taken[label] as number,
    })),
    pairs: pairs.sort((a, b) => b.images - a.images || a.label - b.label || a.predicted - b.predicted),
  };
}
