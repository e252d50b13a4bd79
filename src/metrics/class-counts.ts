import type { Outcomes } from "./outcomes.js";

/** How often a class occurs. Images count as their weights say. */
export interface ClassCounts {
  /** Images of the class. */
  readonly images: number;
  /** Images of the class that are taken for it. */
  readonly right: number;
  /** Images of all classes that are taken for it. */
  readonly taken: number;
}

/** Of every class, in their order. */
export function classCountsOf({ classes, labels, predicted, weights }: Outcomes): ClassCounts[] {
  const [images, right, taken] = [new Float64Array(classes), new Float64Array(classes), new Float64Array(classes)];
  for (let image = 0; image < labels.length; image++) {
    const [label, other, weight] = [labels[image] as number, predicted[image] as number, weights[image] as number];
    images[label] = (images[label] as number) + weight;
    taken[other] = (taken[other] as number) + weight;
    if (label === other) right[label] = (right[label] as number) + weight;
  }
  return Array.from(images, (count, label) => {
    return { images: count, right: right[label] as number, taken: taken[label] as number };
  });
}

/**
 * What is divided by nothing is 0, as with scikit-learn's zero_division=0: the precision of a class that nothing is taken for, the recall of a class without
 * images, the F1 of one of both.
 */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** Of the images taken for the class, the share that is of it. */
export const precisionOf = ({ right, taken }: ClassCounts) => share(right, taken);

/** Of the images of the class, the share that is taken for it. */
export const recallOf = ({ right, images }: ClassCounts) => share(right, images);

/** The harmonic mean of precision and recall: 2 right / (images + taken). */
export const f1Of = ({ right, images, taken }: ClassCounts) => share(2 * right, images + taken);

/** The mean of values; NaN of none. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
