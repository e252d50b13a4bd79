import { z } from "../settings/zod.js";
import { SCHEDULES } from "../optim/schedules/index.js";
import type { Schedule } from "../optim/schedules/schedule.js";
import { stepDecay } from "../optim/schedules/step-decay.js";
import { isObject, listed, section, show, type Values } from "../settings/schema.js";
import { settingsOf, touched, trick, untouched } from "./trick.js";
import { PAPER_EPOCHS, warmup } from "./warmup.js";

/** A schedule by its type, with its settings. */
export type ScheduleSettings = SettingsOf<(typeof SCHEDULES)[number]>;
type SettingsOf<Part> = Part extends Schedule<infer S> & { readonly type: infer T } ? { type: T } & Values<S> : never;

const types = listed(SCHEDULES.map(({ type }) => type));

/** The recipe's key `schedule`: one of the schedules by its type, and that one's keys. */
const scheduleSchema = z.discriminatedUnion("type", variants(), {
  error: ({ input }) =>
    isObject(input)
      ? `must be ${types}, not ${show(input.type)}`
      : `must be an object with type ${types}, not ${show(input)}`,
}) as unknown as z.ZodType<ScheduleSettings>; // Of the list's members the compiler sees only what they have in common.

function variants() {
  const [first, ...others] = SCHEDULES.map(({ type, shape }) => section({ type: z.literal(type as string), ...shape }));
  if (first === undefined) throw new Error("there is no schedule");
  return [first, ...others] as const;
}

function scheduleOf(type: string): Schedule | undefined {
  return SCHEDULES.find((schedule) => schedule.type === type);
}

/** The paper's baseline (section 2.1). */
const paperStepDecay = { type: "step", ...stepDecay.defaults } as const satisfies ScheduleSettings;

/** The decay of the learning rate (sections 2.1 and 5.1): cosine, or another of the schedules in `optim/schedules`. */
export const cosine = trick({
  name: "cosine",
  section: "5.1",
  summary: "cosine decay of the learning rate",
  group: "tricks",
  switches: SCHEDULES.toReversed().flatMap(({ switches }) => switches),
  shape: { schedule: scheduleSchema },
  off: { schedule: paperStepDecay },
  paper: { schedule: { type: "cosine" } },
  start: ({ schedule: settings }, run) => {
    const schedule = scheduleOf(settings.type);
    return {
      rate: (rate) => schedule?.decayed(settings, rate) ?? rate,
      touched: () => {
        const detail = schedule?.described(settings, run.schedule) ?? "";
        const { totalSteps, warmupSteps } = run.schedule;
        return settings.type === "cosine" ? touched(totalSteps - warmupSteps - 1, detail) : untouched(`off: ${detail}`);
      },
    };
  },
  asSwitch: {
    isOn: ({ schedule }) => schedule.type === "cosine",
    off: ({ schedule }, { epochs }) => {
      if (schedule.type === "step") return {};
      const milestones = stepDecay.defaults.milestones.map((epoch) =>
        Number(((epoch * epochs) / PAPER_EPOCHS).toPrecision(4)),
      );
      return { schedule: { ...paperStepDecay, milestones } };
    },
  },
  completed: ({ schedule: change }, { schedule: base }) => {
    if (!isObject(change)) return { schedule: change };
    const { type = base.type } = change;
    // A change of type starts from the settings of that type, not from those of the other.
    return { schedule: { ...(type === base.type ? base : scheduleOf(String(type))?.defaults), ...change, type } };
  },
  atEpochs: ({ schedule }, scaled) => {
    const settings = scheduleOf(schedule.type)?.atEpochs?.(schedule, scaled);
    return { schedule: settings ? ({ type: schedule.type, ...settings } as ScheduleSettings) : schedule };
  },
  goesOn: ({ schedule }, from) => {
    const settings = scheduleOf(schedule.type)?.goesOn?.(schedule, from);
    return { schedule: settings ? ({ type: schedule.type, ...settings } as ScheduleSettings) : schedule };
  },
  problems: ({ schedule }, recipe) => {
    const { warmup: before } = settingsOf(warmup, recipe);
    const warmupEpochs = before && before.epochs < recipe.epochs ? before.epochs : 0;
    return scheduleOf(schedule.type)?.problems?.(schedule, warmupEpochs) ?? [];
  },
});
