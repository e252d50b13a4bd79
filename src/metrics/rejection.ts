import { InputError } from "../base/errors.js";
import type { Rejection, RejectionScore } from "../weights/calibration.js";
import type { Outcomes } from "./outcomes.js";
import { scoresOf } from "./temperature.js";

/** A picture's score. */
export function rejectionScore(score: RejectionScore, logits: Float32Array): number {
  const highest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  return score === "softmax" ? 1 / sum : highest + Math.log(sum);
}

/**
 * The lowest threshold that leaves so many right among the pictures it keeps, on these images.
 *
 * @param wanted a fraction of 1; default: half of the mistakes go
 * @throws InputError where no threshold does
 */
export function rejectionOf(outcomes: Outcomes, score: RejectionScore, wanted?: number): Rejection {
  const scores = scoresOf(outcomes);
  const { labels, predicted, confidences } = outcomes;
  const images = Array.from(labels, (label, image) => ({
    score: score === "softmax" ? (confidences[image] as number) : scores.logSum(image),
    right: label === predicted[image],
  })).sort((a, b) => b.score - a.score);
  let right = 0;
  // Images of one score go together.
  const cuts = images.flatMap(({ score, right: isRight }, at) => {
    right += isRight ? 1 : 0;
    return images[at + 1]?.score === score ? [] : [{ count: at + 1, right, precision: right / (at + 1) }];
  });
  const best = cuts.reduce((most, { precision }) => Math.max(most, precision), 0);
  const goal = wanted ?? Math.min(best, (1 + right / images.length) / 2);
  const cut = cuts.findLast(({ precision }) => precision >= goal);
  if (cut === undefined) {
    const percent = (fraction: number) => `${(100 * fraction).toFixed(2)} %`;
    throw new InputError(
      `--reject-precision: no threshold of the ${score} score makes ${percent(goal)} of what it keeps right; the best is ${percent(best)}`,
    );
  }
  const last = (images[cut.count - 1] as (typeof images)[0]).score;
  const threshold = (last + (images[cut.count]?.score ?? last)) / 2;
  return { score, threshold, wanted: goal, kept: cut.count / images.length, precision: cut.precision };
}
