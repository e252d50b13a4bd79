import type { Doing } from "../base/thread-stream.js";

/** Nothing that a run would lose hangs on these: whoever waits for its end (Docker gives 10 s) need not wait for them. */
const SECONDS = 8;

/** What a run is at, and how long it may take to come to its end from there. */
export const OPENING: Doing = { what: "opening the data", seconds: SECONDS };
export const COMPARING: Doing = { what: "comparing pictures", seconds: SECONDS };
export const BUILDING: Doing = { what: "building the network", seconds: SECONDS };
export const MEASURING: Doing = { what: "measuring convolutions", seconds: SECONDS };
export const VALIDATING: Doing = { what: "the validation", seconds: SECONDS };
export const DRAWING: Doing = { what: "the run's curves and logs", seconds: SECONDS };
export const ENDING: Doing = { what: "the end of its threads", seconds: SECONDS };

/** A checkpoint is what a stop is for. */
export const SAVING: Doing = { what: "the writing of a checkpoint", seconds: 60, isAwaited: true };

/** What a step is called. */
export const TRAINING = "a training step";

/** @param longest seconds of the longest step so far; undefined before the first, in which memory and kernels are made too */
export function training(longest: number | undefined): Doing {
  const seconds = longest === undefined ? 60 : SECONDS + 2 * longest;
  return { what: TRAINING, seconds, isAwaited: true };
}
