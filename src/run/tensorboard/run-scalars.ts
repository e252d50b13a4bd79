import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../../base/folders.js";
import type { Scalars } from "./event.js";
import { updateEventFile } from "./event-file.js";
import { writeHyperParameters } from "./hyper-parameters.js";
import { METRICS } from "../../metrics/index.js";
import type { MetricDescription } from "../../metrics/metric.js";
import type { EpochEvent, StepEvent, TrainEvent } from "../events.js";
import { metricsOf } from "../metric-fields.js";

const FOLDER = "tensorboard";
/** TensorBoard reads files that have "tfevents" in their name. */
const FILE = "events.out.tfevents.knack";

/** Has a run keep event files for TensorBoard from now on: it does where its folder has the folder for them. */
export function keepTensorBoard(runFolder: string): void {
  makeFolder(join(runFolder, FOLDER));
}

export function hasTensorBoard(runFolder: string): boolean {
  return existsSync(join(runFolder, FOLDER));
}

/**
 * Where a run keeps event files for TensorBoard, brings them up to date with its metrics: loss/train (with the targets trained
 * against, nats), lr, imagesPerSecond and lossScale of each step; of each epoch loss/validation (nats), top1 and top5 (fractions of 1), and
 * other metrics under their names, but for those that say nothing for the run's classes; all over optimizer steps. Beside them the recipe.
 *
 * @param metrics of all the run, up to the end of an epoch or of the run
 * @throws KnackError that names the file, as where the disk is full.
 */
export function writeTensorBoard(runFolder: string, metrics: readonly TrainEvent[], now = Date.now() / 1000): void {
  const folder = join(runFolder, FOLDER);
  if (!hasTensorBoard(runFolder)) return;
  const scalars = scalarsOf(metrics, now);
  const ended = metrics.some(({ type }) => type === "done") ? now : undefined;
  writeHyperParameters(folder, runFolder, { began: scalars[0]?.wallTime ?? now, ended });
  updateEventFile(join(folder, FILE), scalars, now);
}

/**
 * Metrics bear no time of day. Counted back from the last event, an epoch's evaluation took what its steps left of the epoch's
 * seconds, and a step its images by its images/s.
 *
 * @param now when the last event happened, seconds since 1970
 */
function scalarsOf(metrics: readonly TrainEvent[], now: number): Scalars[] {
  const audit = metrics.find((event) => event.type === "audit");
  const batchSize = audit?.batchSize ?? 0;
  const shown = audit?.metrics ?? METRICS;
  const secondsOf = ({ imagesPerSecond }: StepEvent) => (imagesPerSecond > 0 ? batchSize / imagesPerSecond : 0);
  const stepSeconds = new Map<number, number>();
  for (const event of metrics) {
    if (event.type !== "step") continue;
    stepSeconds.set(event.epoch, (stepSeconds.get(event.epoch) ?? 0) + secondsOf(event));
  }
  const scalars: Scalars[] = [];
  let wallTime = now;
  for (const event of metrics.toReversed()) {
    if (event.type === "epoch") {
      scalars.push({ wallTime, step: event.step, values: epochValues(event, shown) });
      wallTime -= Math.max(0, event.seconds - (stepSeconds.get(event.epoch) ?? 0));
    } else if (event.type === "step") {
      scalars.push({ wallTime, step: event.step, values: stepValues(event) });
      wallTime -= secondsOf(event);
    }
  }
  return scalars.reverse();
}

/** Other metrics have their name for a tag. */
const TAGS: Readonly<Record<string, string>> = { loss: "loss/validation", "top-1": "top1", "top-5": "top5" };

function epochValues(event: EpochEvent, shown: readonly MetricDescription[]): Record<string, number> {
  const values = metricsOf(event);
  const measured = shown.filter(({ name }) => name in values);
  return Object.fromEntries(measured.map(({ name }) => [TAGS[name] ?? name, number(values[name] ?? null)]));
}

function stepValues({ labelLoss, lr, imagesPerSecond, lossScale }: StepEvent): Record<string, number> {
  return {
    "loss/train": number(labelLoss),
    lr: number(lr),
    imagesPerSecond: number(imagesPerSecond),
    lossScale: number(lossScale),
  };
}

/** A number that was not finite comes back from `metrics.jsonl` as null. */
function number(value: number | null): number {
  return value ?? Number.NaN;
}
