import type { z } from "../../settings/zod.js";
import { counted, digits } from "../../base/printable.js";
import { aboveZero, atLeastZero, nullOr, section } from "../../settings/schema.js";
import type { LearningRateSchedule } from "../learning-rate.js";
import { schedule } from "./schedule.js";

/** Where it was laid anew over the rest of a run: from which epoch on, and from which rate; null is the peak. */
const since = section({ epoch: atLeastZero, rate: nullOr(aboveZero) });

/** The step it begins at, and the rate there. */
function beginning(
  settings: z.infer<typeof since> | undefined,
  { warmupSteps, peak, stepsPerEpoch }: LearningRateSchedule,
) {
  const step = Math.round((settings?.epoch ?? 0) * stepsPerEpoch);
  return step > warmupSteps ? { step, rate: settings?.rate ?? peak } : { step: warmupSteps, rate: peak };
}

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
  shape: { since: since.optional() },
  defaults: {},
  switches: [
    { flags: "--cosine", help: "cosine decay of the learning rate", key: "schedule.type", value: "cosine" },
    { flags: "--no-cosine", help: "step decay instead, as --step-decay", key: "schedule.type", value: "step" },
  ],
  decayed: ({ since }, rate) => {
    const from = beginning(since, rate);
    const at = (step: number) => {
      if (step < rate.warmupSteps) return rate.at(step);
      if (step < from.step) return cosineLearningRate(rate.peak, step - rate.warmupSteps, from.step - rate.warmupSteps);
      return cosineLearningRate(from.rate, step - from.step, rate.totalSteps - from.step);
    };
    return { ...rate, at };
  },
  described: ({ since }, rate) => {
    const { totalSteps, at } = rate;
    const from = beginning(since, rate);
    return `over ${counted(totalSteps - from.step, "step")}, lr ${digits(from.rate)} to ${digits(at(totalSteps - 1))} at the last`;
  },
  goesOn: (_, since) => ({ since }),
});
