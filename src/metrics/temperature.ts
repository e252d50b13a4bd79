import { InputError } from "../base/errors.js";
import { imagesOf, type Outcomes, sumOver } from "./outcomes.js";
import { Scores } from "./scores.js";

/** Steps of Newton's method and halvings of the interval, of which ten are usual. */
const MOST_STEPS = 200;
/** How well the temperature is known, relative to itself. */
const TOLERANCE = 1e-12;

/**
 * Temperature scaling: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), section 4.2. The T that makes the mean negative
 * log-likelihood of softmax(z / T) least. In b = 1 / T it is convex, and its slope is that of
 *
 *     d/db = mean over images of sum_k p_k z_k - z_label,   d2/db2 = mean over images of the variance of z under p
 *
 * @throws InputError where there is no such T, or too many scores were to be kept
 */
export function temperatureOf(outcomes: Outcomes): number {
  const slope = slopeOf(outcomes);
  if (slope(0).first >= 0) {
    throw new InputError("the network is no better than chance on these images: no temperature helps");
  }
  if (outcomes.ranks.every((rank) => rank === 0)) {
    throw new InputError("all of these images are recognised: how sure it may be cannot be told without a mistake");
  }
  let [low, high] = [0, 1];
  while (slope(high).first < 0) [low, high] = [high, 2 * high];
  let inverse = (low + high) / 2;
  for (let step = 0; step < MOST_STEPS && high - low > TOLERANCE * high; step++) {
    const { first, second } = slope(inverse);
    if (first < 0) low = inverse;
    else high = inverse;
    const next = inverse - first / second;
    if (Math.abs(next - inverse) <= TOLERANCE * inverse) break;
    inverse = next > low && next < high ? next : (low + high) / 2;
  }
  return 1 / inverse;
}

/** The first and second derivative of the mean loss by 1 / T. */
function slopeOf(outcomes: Outcomes): (inverse: number) => { first: number; second: number } {
  const { logits } = scoresOf(outcomes);
  const { classes, labels } = outcomes;
  const images = imagesOf(outcomes);
  const ranges = Float64Array.from(labels, (_, image) => {
    const row = logits.subarray(image * classes, (image + 1) * classes);
    return row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  });
  return (inverse) => {
    let second = 0;
    const first = sumOver(outcomes, (image) => {
      const start = image * classes;
      const highest = ranges[image] as number;
      let [total, mean, square] = [0, 0, 0];
      for (let label = 0; label < classes; label++) {
        const below = (logits[start + label] as number) - highest;
        const power = Math.exp(inverse * below);
        total += power;
        mean += power * below;
        square += power * below * below;
      }
      mean /= total;
      second += (outcomes.weights[image] as number) * (square / total - mean * mean);
      return mean - ((logits[start + (labels[image] as number)] as number) - highest);
    });
    return { first: first / images, second: second / images };
  };
}

/** What the outcomes are where all logits are divided by T. */
export function atTemperature(outcomes: Outcomes, temperature: number): Outcomes {
  const { labels, predicted, classes } = outcomes;
  const logits = scoresOf(outcomes).logits.map((logit) => logit / temperature);
  const scores = new Scores(logits, labels, classes);
  return {
    ...outcomes,
    losses: Float64Array.from(labels, (label, image) => 0 - scores.logProbability(image, label)),
    confidences: Float64Array.from(predicted, (label, image) => Math.exp(scores.logProbability(image, label))),
    scores,
  };
}

/** @throws InputError where they were too many to be kept */
export function scoresOf({ scores, labels, classes }: Outcomes): Scores {
  if (scores) return scores;
  throw new InputError(`${labels.length} images of ${classes} classes are too many scores to keep: give fewer images`);
}
