import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.js";
import type { MetricValues } from "../../metrics/metric.js";
import type { EpochEvent } from "../../run/events.js";
import { metricsOf } from "../../run/metric-fields.js";
import { RunFolder } from "../../run/run-folder.js";

/** What became of a run that came to its end. */
export type RunResult = FinishedRun | DivergedRun;

export interface FinishedRun {
  /** Of the last epoch (with early stop, of the best). */
  readonly last: MetricValues;
  /** Of the best epoch by what the recipe selects by. */
  readonly best: MetricValues;
  /** Of the whole run. */
  readonly seconds: number;
  readonly epochs: readonly EpochEvent[];
}

export interface DivergedRun {
  /** Why its loss is no number any more. */
  readonly diverged: string;
}

/** Where a run stands, as its folder shows. */
export type RunState = { readonly result: RunResult } | "resumable" | "not begun";

const DIVERGED = "diverged.json";

export function stateOf(folder: string): RunState {
  const failure = join(folder, DIVERGED);
  if (existsSync(failure)) return { result: JSON.parse(readFileSync(failure, "utf8")) as DivergedRun };
  if (!existsSync(join(folder, "checkpoints", "last"))) return "not begun";
  const metrics = RunFolder.open(folder).readMetrics();
  const done = metrics.find((event) => event.type === "done");
  if (done === undefined) return "resumable";
  const epochs = metrics.filter((event): event is EpochEvent => event.type === "epoch");
  const last = epochs.find(({ epoch }) => epoch === done.epoch) ?? done;
  const best = epochs.findLast((epoch) => epoch.best) ?? last;
  return { result: { last: metricsOf(last), best: metricsOf(best), seconds: done.seconds, epochs } };
}

/** Whether a folder holds a run that came to a checkpoint or ran away. */
export function hasBegun(folder: string): boolean {
  return existsSync(join(folder, DIVERGED)) || existsSync(join(folder, "checkpoints", "last"));
}

/** Takes away what a run left that was stopped before its first checkpoint. */
export function clearRun(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Keeps the failure: starting again would only repeat it. */
export function noteDivergence(folder: string, message: string): DivergedRun {
  const result: DivergedRun = { diverged: message };
  writeFileAtomic(join(folder, DIVERGED), `${JSON.stringify(result)}\n`);
  return result;
}
