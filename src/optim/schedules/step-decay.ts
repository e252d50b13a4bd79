import { z } from "../../settings/zod.js";
import { counted, digits } from "../../base/printable.js";
import { aboveZero, number, type Problem, show } from "../../settings/schema.js";
import { schedule } from "./schedule.js";

/**
 * Step decay, section 2.1, the paper's baseline: the learning rate is divided by 10 at the epochs 30, 60 and 90.
 *
 * @param eta the learning rate before the first milestone
 * @param step 0-based batch, counted from the start of the run, warmup included
 * @param milestones batches from which on the rate is lower, in the same count, ascending
 * @param factor what one milestone multiplies the rate by
 */
export function stepDecayLearningRate(eta: number, step: number, milestones: readonly number[], factor = 0.1): number {
  const passed = milestones.filter((milestone) => step >= milestone).length;
  // Dividing, as the paper words it, gives 0.01 where multiplying by 0.1 gives 0.010000000000000002.
  return eta / (1 / factor) ** passed;
}

export const stepDecay = schedule({
  type: "step",
  shape: {
    /** Epochs of the run, fractions allowed. */
    milestones: z.array(aboveZero, { error: (issue) => `must be a list of epochs, not ${show(issue.input)}` }),
    factor: number("a number between 0 and 1, which the lr is multiplied by", (value) => value > 0 && value < 1),
  },
  defaults: { milestones: [30, 60, 90], factor: 0.1 },
  switches: [
    {
      flags: "--step-decay [epochs]",
      help: "divide the learning rate by 10 at these epochs, such as 30,60,90",
      key: "schedule.milestones",
      reads: "numbers",
      also: { "schedule.type": "step" },
    },
  ],
  decayed: ({ milestones: epochs, factor }, rate) => {
    const milestones = epochs.map((epoch) => Math.round(epoch * rate.stepsPerEpoch));
    const at = (step: number) =>
      step < rate.warmupSteps ? rate.at(step) : stepDecayLearningRate(rate.peak, step, milestones, factor);
    return { ...rate, milestones, at };
  },
  described: ({ milestones: epochs, factor }, rate) => {
    const reached = rate.milestones.filter((step) => step < rate.totalSteps).length;
    const where =
      reached > 0 ? `x ${factor} at epoch ${epochs.slice(0, reached).join(", ")}` : "no milestone within the run";
    return `step decay, ${where}, lr ${digits(rate.at(rate.totalSteps - 1))} at the last step`;
  },
  atEpochs: ({ milestones, factor }, scaled) => ({ milestones: milestones.map(scaled), factor }),
  problems: ({ milestones }, warmupEpochs): Problem[] => {
    const key = "schedule.milestones";
    const [first] = milestones;
    if (milestones.some((milestone, i) => i > 0 && milestone <= (milestones[i - 1] ?? 0))) {
      return [{ key, message: `must increase, and ${milestones.join(", ")} do not` }];
    }
    if (first === undefined || first >= warmupEpochs) return [];
    return [
      { key, message: `must come after the warmup, ${counted(warmupEpochs, "epoch")}, and the first is ${first}` },
    ];
  },
});
