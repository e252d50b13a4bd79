import { sigmoidOf } from "../metrics/several/label-scores.js";
import { USUAL_THRESHOLD } from "../metrics/several/thresholds.js";

/** What a network's logits mean, as its checkpoint or ONNX file says. */
export interface Decision {
  /** Of one picture's logits. */
  readonly probabilities: (logits: Float32Array) => Float64Array;
  /** How many classes are given where nobody says; undefined for those that a picture is taken for, however many. */
  readonly top: number | undefined;
  /** From which probability on a picture is taken for a class, where each is a matter of its own. */
  readonly threshold: (index: number) => number | undefined;
}

/** Each picture shows one class. */
const ONE_LABEL: Decision = { probabilities: softmax, top: 5, threshold: () => undefined };

/** @param thresholds of pictures that may show several classes, as `task` says */
export function decisionOf({
  task,
  thresholds,
}: {
  task?: string | undefined;
  thresholds?: readonly number[] | undefined;
}): Decision {
  if (task !== "multi-label") return ONE_LABEL;
  return {
    probabilities: (logits) => Float64Array.from(logits, sigmoidOf),
    top: undefined,
    threshold: (index) => thresholds?.[index] ?? USUAL_THRESHOLD,
  };
}

function softmax(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
