import { basename, resolve } from "node:path";
import { InputError } from "../base/errors.js";
import type { AuditEvent, ChangedEvent, DoneEvent, EpochEvent, TestEvent, TrainEvent } from "../run/events.js";
import type { RunFolder } from "../run/run-folder.js";

/** What a run's folder says about the run. */
export interface RunRecord {
  /** The folder's name. */
  readonly name: string;
  readonly metrics: readonly TrainEvent[];
  readonly audit: AuditEvent | undefined;
  /** Those that were evaluated. */
  readonly epochs: readonly EpochEvent[];
  /** What was measured on its test part, in order. */
  readonly tests: readonly TestEvent[];
  /** Where the run went on otherwise than before, in order. */
  readonly changes: readonly ChangedEvent[];
  /** Missing where the run did not come to its end. */
  readonly done: DoneEvent | undefined;
  /** As the run wrote it, whatever version of knack that was. */
  readonly recipe: Settings;
  /** Missing where there is no file of it. */
  readonly environment: Settings | undefined;
}

/** A JSON object. */
export type Settings = Readonly<Record<string, unknown>>;

/** @throws InputError where the recipe or the metrics cannot be read. */
export function readRun(run: RunFolder): RunRecord {
  const metrics = run.readMetrics();
  return {
    name: basename(resolve(run.path)),
    metrics,
    audit: metrics.find((event) => event.type === "audit"),
    epochs: metrics.filter((event) => event.type === "epoch"),
    tests: metrics.filter((event) => event.type === "test"),
    changes: metrics.filter((event) => event.type === "changed"),
    done: metrics.find((event) => event.type === "done"),
    recipe: settings(run.readJson("recipe.json")) ?? {},
    environment: environmentOf(run),
  };
}

function environmentOf(run: RunFolder): Settings | undefined {
  try {
    return settings(run.readJson("environment.json"));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function settings(json: unknown): Settings | undefined {
  return typeof json === "object" && json !== null ? (json as Settings) : undefined;
}
