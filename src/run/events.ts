import type { TrickAudit } from "../tricks/running-tricks.js";
import type { Difference } from "../recipe/differences.js";
import type { MetricDescription, MetricValues } from "../metrics/metric.js";

/**
 * What `train()` yields, line by line what `knack train --json` prints and `metrics.jsonl` keeps. All plain JSON.
 *
 * Counting: `step` is the number of optimizer steps done since the run's beginning (1 after the first), `epoch` counts from 1.
 * Fractions (top1, top5) are of 1, times in seconds, learning rates as applied. A loss that is not finite is null in JSON.
 */
export type TrainEvent =
  | AuditEvent
  | StepEvent
  | ChangedEvent
  | EpochEvent
  | CheckpointEvent
  | TestEvent
  | DoneEvent
  | InterruptedEvent
  | WarningEvent
  | ErrorEvent;

/** Once, before the first step. */
export interface AuditEvent {
  readonly type: "audit";
  readonly run: string;
  readonly model: string;
  readonly parameters: number;
  readonly data: string;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  /** The highest learning rate of the schedule, after linear scaling. */
  readonly peakLr: number;
  readonly precision: string;
  /** What computes the steps: libtorch's operators, or the network compiled from them. */
  readonly engine: "fast" | "plain";
  /** Why the fast engine cannot, where the plain one was not asked for: "it needs a processor with AVX2, and this has sse41". */
  readonly whyPlain?: string;
  /** What the fast engine lacks and libtorch computes between its operations: ["sigmoid", "mul"]. */
  readonly inLibtorch?: readonly string[];
  readonly tricks: readonly TrickAudit[];
  /** Where pictures may have several labels. */
  readonly task?: "multi-label";
  /** What epochs are evaluated by, in order: what has a value for these validation images that says something. */
  readonly metrics: readonly MetricDescription[];
  /** The one of them that decides on the best epoch. */
  readonly select: string;
}

/** A run goes on otherwise than before: for longer, with other settings, or on other data. */
export interface ChangedEvent {
  readonly type: "changed";
  /** Finished epochs, and steps of the one under way. */
  readonly epoch: number;
  readonly stepInEpoch: number;
  readonly step: number;
  /** Of the whole run now. */
  readonly epochs: number;
  /** By the recipe's keys; of the data, by classes. */
  readonly changes: readonly Difference[];
  /** The learning rate of the step before, of the next one, and of the last one of the run. */
  readonly lr: { readonly was: number; readonly is: number; readonly becomes: number };
}

/** After an optimizer step. */
export interface StepEvent {
  readonly type: "step";
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly epochs: number;
  /** 1 .. stepsPerEpoch */
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number;
  /** What this step minimised: `labelLoss`, and the distillation term where there is a teacher. */
  readonly loss: number;
  /** Cross-entropy against the (smoothed, mixed) training targets. */
  readonly labelLoss: number;
  readonly lr: number;
  readonly imagesPerSecond: number;
  /** Steps so far whose gradients overflowed, so that the optimizer left them out. */
  readonly skippedSteps: number;
  readonly lossScale: number;
}

/** After an epoch's evaluation on the validation images with clean hard labels. */
export interface EpochEvent {
  readonly type: "epoch";
  readonly epoch: number;
  /** Optimizer steps done when the epoch ended. */
  readonly step: number;
  /** Mean of the steps' `labelLoss`. */
  readonly trainLoss: number;
  /** NaN, null in JSON, where pictures may have several labels, as is `top5`. */
  readonly top1: number;
  readonly top5: number;
  readonly validationLoss: number;
  /** Every metric by its name, those three among them: `{ "top-1": 0.91, "top-5": 1, "loss": 0.3 }`. */
  readonly metrics: MetricValues;
  readonly imagesPerSecond: number;
  readonly lr: number;
  /** Whether it is the best of the run so far by the metric of the recipe's `select`, or as good: of equal epochs the later counts. */
  readonly best: boolean;
  /** The best epoch before this one, where it is as good. */
  readonly tiedWith?: number;
  /** Of the epoch's time, how long the next images were waited for; a GPU may have computed a step meanwhile. */
  readonly waitSeconds: number;
  /** Photographs so far that could not be read: `bad-pictures.json` in the run's folder names them. */
  readonly badPictures: number;
  /** Of the whole epoch, evaluation included. */
  readonly seconds: number;
}

/** After a checkpoint was written. */
export interface CheckpointEvent {
  readonly type: "checkpoint";
  readonly path: string;
  readonly kind: "last" | "best";
  readonly epoch: number;
  readonly step: number;
}

/** Before the end of a run whose data have a test part: its best weights on images that nothing before has looked at. */
export interface TestEvent {
  readonly type: "test";
  /** Epochs of the run that were finished, and the one that the weights are of. */
  readonly epochs: number;
  readonly epoch: number;
  readonly images: number;
  /** Every metric by its name. */
  readonly metrics: MetricValues;
  /** 1; more where the run went on for longer afterwards, and was measured again. */
  readonly time: number;
}

/** The run came to its end. */
export interface DoneEvent {
  readonly type: "done";
  /** The run's folder. */
  readonly run: string;
  readonly top1: number;
  readonly top5: number;
  readonly validationLoss: number;
  readonly metrics: MetricValues;
  /** The epoch these are of: the last one, or with early stop the best. */
  readonly epoch: number;
  /** Of the best epoch. */
  readonly bestTop1: number;
  /** The best epoch, and its value of the metric of the recipe's `select`; null where none was evaluated. */
  readonly best: { readonly epoch: number; readonly value: number } | null;
  readonly seconds: number;
  readonly skippedSteps: number;
}

/** The run was stopped from outside after its last checkpoint was written: it can be resumed. */
export interface InterruptedEvent {
  readonly type: "interrupted";
  readonly run: string;
  readonly epoch: number;
  readonly step: number;
}

/** Something beside the run went wrong, as the drawing of its curves; the run goes on. `metrics.jsonl` does not keep it. */
export interface WarningEvent {
  readonly type: "warning";
  readonly message: string;
  /** That memory ran out before: what the batch needs, and what would fit, is worth finding out. */
  readonly lackOfMemory?: true;
}

/** The run failed. */
export interface ErrorEvent {
  readonly type: "error";
  readonly message: string;
}
