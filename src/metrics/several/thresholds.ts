import type { LabelScores } from "./label-scores.js";

/** Where nothing was chosen. */
export const USUAL_THRESHOLD = 0.5;

/** For each class the threshold of its highest F1 on these images; 0.5 for one that none shows. */
export function bestThresholds(scores: LabelScores, classes: number): number[] {
  return Array.from({ length: classes }, (_, label) => {
    return bestThreshold(scores.probabilitiesOf(label), (image) => scores.isShown(image, label));
  });
}

/**
 * The threshold of the highest F1: halfway between the lowest probability that is taken and the next lower one, or half of the lowest of all. Of several
 * that are equally good the highest.
 */
export function bestThreshold(probabilities: Float64Array, isShown: (image: number) => boolean): number {
  const order = [...probabilities.keys()].sort((a, b) => (probabilities[b] as number) - (probabilities[a] as number));
  const shown = order.filter(isShown).length;
  if (shown === 0) return USUAL_THRESHOLD;
  let [right, best, threshold] = [0, 0, USUAL_THRESHOLD];
  for (const [rank, image] of order.entries()) {
    right += Number(isShown(image));
    const [here, below = 0] = [probabilities[image] as number, probabilities[order[rank + 1] ?? -1]];
    if (here === below) continue; // both are taken, or none
    const f1 = (2 * right) / (shown + rank + 1);
    if (f1 > best) [best, threshold] = [f1, (here + below) / 2];
  }
  return threshold;
}
