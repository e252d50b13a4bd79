import type { TrainEvent } from "../run/events.js";
import type { TableDocument } from "./output/table-document.js";
import type { PlannedRun } from "./runs/plan.js";
import type { RunResult } from "./runs/results.js";
import type { AblationTable } from "./tables/table.js";

/** What `ablate()` yields. */
export type AblationEvent =
  | CheckingEvent
  | PlanEvent
  | RunEvent
  | TrainingEvent
  | ResultEvent
  | AblationInterruptedEvent
  | AblationDoneEvent;

/** The rows are being built, and timed where there is a budget; nothing is trained yet. */
export interface CheckingEvent {
  readonly type: "checking";
  readonly rows: number;
  readonly timed: boolean;
}

/** Every row can be trained; this is what will be. */
export interface PlanEvent {
  readonly type: "plan";
  readonly out: string;
  readonly table: AblationTable;
  readonly data: string;
  readonly seeds: readonly number[];
  /** Runs, the teacher's included, and how many of them an earlier start has finished. */
  readonly runs: number;
  readonly finished: number;
  /** Where a budget was given. */
  readonly budget: BudgetChoice | undefined;
}

/** What a budget came to. Times in seconds. */
export interface BudgetChoice {
  readonly budget: number;
  readonly expected: number;
  readonly asked: { readonly seeds: number; readonly epochs: number; readonly trainShare: number };
  readonly chosen: { readonly seeds: number; readonly epochs: number; readonly trainShare: number };
}

/** A run begins or goes on. */
export interface RunEvent {
  readonly type: "run";
  readonly run: PlannedRun;
  /** From 1. */
  readonly number: number;
  readonly of: number;
  readonly resumed: boolean;
}

/** What happens in the run under way. */
export interface TrainingEvent {
  readonly type: "training";
  readonly run: PlannedRun;
  readonly event: TrainEvent;
}

/** A run came to its end, and the table's files are written anew. */
export interface ResultEvent {
  readonly type: "result";
  readonly run: PlannedRun;
  readonly result: RunResult;
  readonly document: TableDocument;
}

/** It was stopped; the run under way has a checkpoint. */
export interface AblationInterruptedEvent {
  readonly type: "interrupted";
  readonly document: TableDocument | undefined;
}

/** All runs are finished. */
export interface AblationDoneEvent {
  readonly type: "done";
  readonly document: TableDocument;
  /** Paths of the table's files. */
  readonly files: readonly string[];
}
