import type { KeptCalibration } from "../../weights/calibration.js";

/** What is said where probabilities are other ones than those of the training. */
export function calibratedText({ temperature }: KeptCalibration): string {
  return `calibrated: the logits are divided by temperature ${temperature.toFixed(4)} (knack calibrate)`;
}
