import type { ImagePrediction } from "../run/predict-set.js";

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
  /** Mean negative log-likelihood of the labels, nats. */
  readonly nll: number;
  readonly accuracy: number;
  readonly confidence: number;
}

const BINS = 15;

/**
 * How far a network's confidence can be believed: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), section 2, with
 * their 15 bins of equal width.
 *
 *     ECE = sum over bins m of |B_m| / n * |acc(B_m) - conf(B_m)|
 *
 * @param predictions at least one
 */
export function calibrationOf(predictions: readonly ImagePrediction[]): Calibration {
  const sums = Array.from({ length: BINS }, () => ({ images: 0, right: 0, confidence: 0 }));
  for (const { label, predicted, confidence } of predictions) {
    const bin = sums[Math.min(BINS, Math.max(1, Math.ceil(confidence * BINS))) - 1] as (typeof sums)[number];
    bin.images += 1;
    bin.right += label === predicted ? 1 : 0;
    bin.confidence += confidence;
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
  const count = predictions.length;
  const total = (value: (bin: Bin) => number) => bins.reduce((sum, bin) => sum + bin.images * value(bin), 0) / count;
  return {
    bins,
    ece: total(({ accuracy, confidence }) => Math.abs(accuracy - confidence)),
    nll: predictions.reduce((sum, { negativeLogLikelihood }) => sum + negativeLogLikelihood, 0) / count,
    accuracy: total(({ accuracy }) => accuracy),
    confidence: total(({ confidence }) => confidence),
  };
}
