import { counted, digits } from "../../base/printable.js";
import { schedule } from "./schedule.js";

/**
 * Cosine decay, section 5.1, equation 1: `eta_t = 1/2 (1 + cos(t pi / T)) eta`.
 *
 * @param eta the learning rate to decay from
 * @param t batches since the end of the warmup: 0 at the first batch after it; `0 <= t < T`
 * @param T all batches of the run WITHOUT those of the warmup
 */
export function cosineLearningRate(eta: number, t: number, T: number): number {
  return 0.5 * (1 + Math.cos((t * Math.PI) / T)) * eta;
}

export const cosine = schedule({
  type: "cosine",
  shape: {},
  defaults: {},
  switches: [
    { flags: "--cosine", help: "cosine decay of the learning rate", key: "schedule.type", value: "cosine" },
    { flags: "--no-cosine", help: "step decay instead, as --step-decay", key: "schedule.type", value: "step" },
  ],
  decayed: (_, rate) => ({
    ...rate,
    at: (step) =>
      step < rate.warmupSteps
        ? rate.at(step)
        : cosineLearningRate(rate.peak, step - rate.warmupSteps, rate.totalSteps - rate.warmupSteps),
  }),
  described: (_, { totalSteps, warmupSteps, peak, at }) =>
    `over ${counted(totalSteps - warmupSteps, "step")}, lr ${digits(peak)} to ${digits(at(totalSteps - 1))} at the last`,
});
