import { InputError } from "../base/errors.js";
import { counted, digits } from "../base/printable.js";
import type { LearningRateSchedule } from "../optim/learning-rate.js";
import { aboveZero, offOr } from "../settings/schema.js";
import { touched, trick } from "./trick.js";

/**
 * Gradual warmup, section 3.1: at batch `i`, `1 <= i <= m`, the learning rate is `i * eta / m`.
 *
 * At the start all weights are random and a large step is unstable; the rate grows linearly, batch by batch, from 0 to `eta`.
 *
 * @param eta the learning rate that the warmup ends with
 * @param step 0-based, so the paper's `i` is `step + 1`; `0 <= step < warmupSteps`
 * @param warmupSteps `m`, in batches
 */
export function warmupLearningRate(eta: number, step: number, warmupSteps: number): number {
  // The quotient comes first: it is exactly 1 at the last step, so rounding never carries the rate above eta.
  return eta * ((step + 1) / warmupSteps);
}

/** The length of the paper's runs, which its warmup of 5 epochs and its milestones 30, 60 and 90 belong to (section 2.1). */
export const PAPER_EPOCHS = 120;

/** Fewer would change nothing: the first step would have the full rate. */
const LEAST_STEPS = 2;

export const warmup = trick({
  name: "warmup",
  section: "3.1",
  summary: "gradual warmup",
  group: "tricks",
  switches: [
    {
      flags: "--warmup <epochs>",
      help: "let the learning rate grow over the first epochs",
      key: "warmup.epochs",
      reads: "number",
    },
    { flags: "--no-warmup", help: "start with the full learning rate", key: "warmup", value: false },
  ],
  shape: { warmup: offOr({ epochs: aboveZero }) },
  off: { warmup: false },
  paper: { warmup: { epochs: 5 } },
  start: ({ warmup }, run) =>
    warmup && {
      rate: (schedule) => {
        const warmupSteps = stepsOf(warmup.epochs, schedule);
        const { peak } = schedule;
        const at = (step: number) =>
          step < warmupSteps ? warmupLearningRate(peak, step, warmupSteps) : schedule.at(step);
        return { ...schedule, warmupSteps, at };
      },
      touched: () => {
        const { warmupSteps, peak, at } = run.schedule;
        return touched(
          warmupSteps,
          `${counted(warmupSteps, "step")} (${counted(warmup.epochs, "epoch")}), lr ${digits(at(0))} to ${digits(peak)}`,
        );
      },
    },
  asSwitch: { on: ({ epochs }) => ({ warmup: { epochs: Number(((5 * epochs) / PAPER_EPOCHS).toPrecision(4)) } }) },
  problems: ({ warmup }, { epochs }) => {
    if (!warmup || warmup.epochs < epochs) return [];
    const message = `must be shorter than the run, which has ${counted(epochs, "epoch")}, not ${warmup.epochs}; give a shorter --warmup or --no-warmup`;
    return [{ key: "warmup.epochs", message }];
  },
  atEpochs: ({ warmup }, scaled) => ({ warmup: warmup && { epochs: scaled(warmup.epochs) } }),
});

/** @throws InputError where the warmup leaves no step after it */
function stepsOf(epochs: number, { stepsPerEpoch, totalSteps }: LearningRateSchedule): number {
  // What is left of five epochs when a run is made short may come to less than two steps.
  const steps = Math.max(LEAST_STEPS, Math.round(epochs * stepsPerEpoch));
  if (steps < totalSteps) return steps;
  throw new InputError(
    `warmup.epochs: a warmup of ${counted(epochs, "epoch")} has ${steps} steps here and must be shorter than the run, ${counted(totalSteps, "step")}: give another --warmup or --no-warmup`,
  );
}
