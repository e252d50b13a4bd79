import { imagesOf, type Outcomes } from "./outcomes.js";

/** Images whose confidence lies in (low, high]. */
export interface Bin {
  readonly low: number;
  readonly high: number;
  readonly images: number;
  /** Of these images, fractions of 1; 0 where there are none. */
  readonly accuracy: number;
  readonly confidence: number;
}

export interface Calibration {
  readonly bins: readonly Bin[];
  /** Expected calibration error, a fraction of 1. */
  readonly ece: number;
  readonly accuracy: number;
  readonly confidence: number;
}

const BINS = 15;

/**
 * How far a network's confidence can be believed: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), section 2, with
 * their 15 bins of equal width.
 *
 *     ECE = sum over bins m of |B_m| / n * |acc(B_m) - conf(B_m)|
 */
export function calibrationOf(outcomes: Outcomes): Calibration {
  const { weights, labels, predicted, confidences } = outcomes;
  const sums = Array.from({ length: BINS }, () => ({ images: 0, right: 0, confidence: 0 }));
  for (let image = 0; image < labels.length; image++) {
    const [weight, confidence] = [weights[image] as number, confidences[image] as number];
    const bin = sums[Math.min(BINS, Math.max(1, Math.ceil(confidence * BINS))) - 1];
    if (bin === undefined) continue; // no number
    bin.images += weight;
    bin.right += labels[image] === predicted[image] ? weight : 0;
    bin.confidence += weight * confidence;
  }
  const bins = sums.map(({ images, right, confidence }, index): Bin => {
    const mean = (sum: number) => (images === 0 ? 0 : sum / images);
    return {
      low: index / BINS,
      high: (index + 1) / BINS,
      images,
      accuracy: mean(right),
      confidence: mean(confidence),
    };
  });
  const count = imagesOf(outcomes);
  const total = (value: (bin: Bin) => number) => bins.reduce((sum, bin) => sum + bin.images * value(bin), 0) / count;
  return {
    bins,
    ece: total(({ accuracy, confidence }) => Math.abs(accuracy - confidence)),
    accuracy: total(({ accuracy }) => accuracy),
    confidence: total(({ confidence }) => confidence),
  };
}
