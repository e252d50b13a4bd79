import type { Problem, Shape, Values } from "../../settings/schema.js";
import type { Switch } from "../../settings/switches.js";
import type { LearningRateSchedule } from "../learning-rate.js";

/** How the learning rate falls after the warmup, as a part of knack: one file, and one line in the list of `index.ts`. */
export interface Schedule<S extends Shape = Shape> {
  /** "cosine": `type` in the recipe's key `schedule`, whose other keys are the shape's. */
  readonly type: string;
  readonly shape: S;
  /** The paper's. */
  readonly defaults: Values<S>;
  readonly switches: readonly Switch[];
  /** @param rate the schedule so far: the peak at every step, but for those of the warmup */
  decayed(settings: Values<S>, rate: LearningRateSchedule): LearningRateSchedule;
  /** For people, with figures: what it does in this run. @param rate the whole schedule */
  described(settings: Values<S>, rate: LearningRateSchedule): string;
  /** Its settings in a run of another length. @param scaled brings a number of epochs there */
  atEpochs?(settings: Values<S>, scaled: (epochs: number) => number): Values<S>;
  /** Its settings for the rest of a run, from an epoch on; without it, it goes on as it is. @param rate where it is to begin: null is the peak */
  goesOn?(settings: Values<S>, from: { readonly epoch: number; readonly rate: number | null }): Values<S>;
  /** What is wrong with settings that are right each by itself. @param warmupEpochs 0 without a warmup */
  problems?(settings: Values<S>, warmupEpochs: number): readonly Problem[];
}

/** The same, its keys and their values told apart by the compiler. */
export function schedule<const T extends string, S extends Shape>(part: Schedule<S> & { readonly type: T }) {
  return part;
}
