import type { RunResult } from "../ablation/runs/results.js";
import type { TrainEvent } from "../run/events.js";
import type { FoldsSummary } from "./summary.js";

/** What `crossValidate()` yields. All plain JSON. */
export type FoldsEvent =
  | FoldsPlanEvent
  | FoldEvent
  | FoldTrainingEvent
  | FoldResultEvent
  | FoldsInterruptedEvent
  | FoldsDoneEvent;

/** Once, first. */
export interface FoldsPlanEvent {
  readonly type: "plan";
  /** The folder of them all. */
  readonly out: string;
  readonly folds: number;
  /** How many an earlier start has finished. */
  readonly finished: number;
}

/** A fold's run begins or goes on. */
export interface FoldEvent {
  readonly type: "fold";
  /** From 1. */
  readonly fold: number;
  readonly folds: number;
  readonly resumed: boolean;
}

/** What happens in the run under way. */
export interface FoldTrainingEvent {
  readonly type: "training";
  readonly fold: number;
  readonly event: TrainEvent;
}

/** A fold's run came to its end. */
export interface FoldResultEvent {
  readonly type: "result";
  readonly fold: number;
  readonly result: RunResult;
}

/** It was stopped: the same command goes on. */
export interface FoldsInterruptedEvent {
  readonly type: "interrupted";
  readonly out: string;
}

export interface FoldsDoneEvent {
  readonly type: "done";
  readonly out: string;
  readonly summary: FoldsSummary;
  /** What was written. */
  readonly files: readonly string[];
}
