import { counted } from "../../base/printable.js";
import type { Writable } from "node:stream";
import type { SingleBar } from "cli-progress";
import { type MetricDescription, type MetricValues, valueText } from "../../metrics/metric.js";
import { differenceText } from "../../run/going-on.js";
import type {
  AuditEvent,
  ChangedEvent,
  DoneEvent,
  EpochEvent,
  StepEvent,
  TestEvent,
  TrainEvent,
} from "../../run/events.js";
import { metricsOf } from "../../run/metric-fields.js";
import { progressBar } from "./progress-bar.js";
import { canRedraw } from "./terminal.js";

const SECONDS_BETWEEN_LINES = 30;
/** The share of an epoch from which on waiting for images is worth a word. */
const MUCH_WAITING = 0.05;
/** The share of the highest learning rate below which next to nothing is learnt. */
const LITTLE = 0.01;

/** Shows a run's events to whoever looks at `out`. */
export interface Progress {
  show(event: TrainEvent): void;
  /** Takes an unfinished bar off the screen, and draws none any more: the run ends by an error, or is to stop. */
  close(): void;
  /** Whether people are to be told that the run is stopping: they read this, and it has not ended yet. */
  awaitsStop(): boolean;
}

/** Of a process whose run another one shows. */
export const SILENT: Progress = { show: () => {}, close: () => {}, awaitsStop: () => false };

/**
 * A bar per epoch on a terminal, plain lines elsewhere, one JSON object a line for programs.
 *
 * @param options.shared that other programs want the cores too, as `sharedCores` says it when a run begins
 * @param clock seconds, from any origin
 */
export function createProgress(
  out: Writable,
  options: { json: boolean; shared?: () => string | undefined },
  clock = () => performance.now() / 1000,
): Progress {
  if (options.json) return new JsonLines(out);
  const steps = canRedraw(out) ? new BarSteps(out) : new LineSteps(out, clock);
  return new Report(out, steps, clock, options.shared ?? (() => undefined));
}

/** 45 -> "45s", 754 -> "12m34s", 7260 -> "2h01m" */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const digits = (value: number) => String(Math.floor(value)).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${digits(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${digits((whole % 3600) / 60)}m`;
}

class JsonLines implements Progress {
  constructor(private readonly out: Writable) {}

  show(event: TrainEvent): void {
    this.out.write(`${JSON.stringify(event)}\n`);
  }

  close(): void {}

  awaitsStop(): boolean {
    return false;
  }
}

/** The way steps are shown between the lines that every report has. */
interface StepDisplay {
  show(event: StepEvent, remaining: number): void;
  /** Leaves the cursor at the start of an empty line. */
  clear(): void;
}

class Report implements Progress {
  /** The first step seen, and when: the base of the remaining time. A resumed run starts in the middle. */
  private first: { step: number; time: number } | undefined;
  private epochs = 0;
  private peakLr = 0;
  /** Those that lines have. */
  private metrics: readonly MetricDescription[] = [];
  private select = "";
  private closed = false;
  private ended = false;

  constructor(
    private readonly out: Writable,
    private readonly steps: StepDisplay,
    private readonly clock: () => number,
    private readonly shared: () => string | undefined,
  ) {}

  show(event: TrainEvent): void {
    this.ended ||= event.type === "interrupted" || event.type === "done";
    switch (event.type) {
      case "step":
        if (!this.closed) this.steps.show(event, this.remaining(event));
        break;
      case "audit":
        this.epochs = event.epochs;
        this.peakLr = event.peakLr;
        this.metrics = event.metrics.filter(({ name, brief }) => brief || name === event.select);
        this.select = event.select;
        this.print(...auditLines(event, this.shared()));
        break;
      case "changed":
        this.print(...changedLines(event, this.peakLr));
        break;
      case "epoch":
        this.print(epochLine(event, this.epochs, this.metrics, this.select));
        break;
      case "test":
        this.print(testLine(event, this.metrics));
        break;
      case "done":
        this.print(...doneLines(event, this.metrics, this.select));
        break;
      case "interrupted":
        this.print(
          `stopped in epoch ${event.epoch} after step ${event.step}; go on with: knack train --resume ${event.run}`,
        );
        break;
      case "warning":
        this.print(`warning: ${event.message}`);
        break;
      case "error":
        this.print(`error: ${event.message}`);
        break;
      case "checkpoint":
        // One an epoch: the epoch's line says all.
        break;
    }
  }

  close(): void {
    this.closed = true;
    this.steps.clear();
  }

  awaitsStop(): boolean {
    return !this.ended;
  }

  private print(...lines: string[]): void {
    this.steps.clear();
    for (const line of lines) this.out.write(`${line}\n`);
  }

  /** Seconds to the end of the run at the pace since its first step, evaluations included; NaN before there is a pace. */
  private remaining({ step, totalSteps }: StepEvent): number {
    const time = this.clock();
    this.first ??= { step, time };
    return ((time - this.first.time) / (step - this.first.step)) * (totalSteps - step);
  }
}

/** What is otherwise in a run that goes on, and what its learning rate was, is and becomes. */
function changedLines({ epoch, epochs, changes, lr }: ChangedEvent, peakLr: number): string[] {
  const [was, is, becomes] = [lr.was, lr.is, lr.becomes].map((rate) => rate.toPrecision(3));
  return [
    `going on after ${counted(epoch, "epoch")} of ${epochs}: ${changes.map(differenceText).join("; ")}`,
    `learning rate: was ${was}, is ${is}, becomes ${becomes}`,
    ...(lr.is < LITTLE * peakLr ? ["warning: that is next to nothing, so little will change: give --lr"] : []),
  ];
}

class BarSteps implements StepDisplay {
  private bar: SingleBar | undefined;

  constructor(private readonly out: Writable) {}

  show(event: StepEvent, remaining: number): void {
    const payload = { text: stepText(event, remaining), epoch: epochText(event.epoch, event.epochs) };
    if (this.bar === undefined) {
      this.bar = progressBar("{epoch} |{bar}| {percentage} % | {text}", this.out);
      this.bar.start(event.stepsPerEpoch, event.stepInEpoch, payload);
    } else this.bar.update(event.stepInEpoch, payload);
  }

  clear(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}

class LineSteps implements StepDisplay {
  private last: number | undefined;

  constructor(
    private readonly out: Writable,
    private readonly clock: () => number,
  ) {}

  show(event: StepEvent, remaining: number): void {
    const now = this.clock();
    this.last ??= now;
    if (now - this.last < SECONDS_BETWEEN_LINES) return;
    this.last = now;
    const where = `${epochText(event.epoch, event.epochs)} step ${event.stepInEpoch}/${event.stepsPerEpoch}`;
    this.out.write(`${where} | ${stepText(event, remaining)}\n`);
  }

  clear(): void {
    // An epoch's line counts as a sign of life too.
    this.last = undefined;
  }
}

function auditLines(event: AuditEvent, shared: string | undefined): string[] {
  const width = Math.max(0, ...event.tricks.map(({ trick }) => trick.length));
  return [
    `run: ${event.run}`,
    `model: ${event.model}, ${(event.parameters / 1e6).toFixed(2)} M parameters, ${event.precision}, ${engineText(event)}${shared === undefined ? "" : `; slower now, as ${shared}`}`,
    `data: ${event.data}`,
    `schedule: ${counted(event.epochs, "epoch")} of ${counted(event.stepsPerEpoch, "step")} of ${counted(event.batchSize, "image")}, lr up to ${lr(event.peakLr)}`,
    ...selectionLines(event),
    "tricks:",
    ...event.tricks.map(({ trick, detail }) => `  ${trick.padEnd(width)}  ${detail}`),
  ];
}

/** "fast engine", with what it is without */
export function engineText({ engine, whyPlain, inLibtorch = [] }: AuditEvent): string {
  const without = whyPlain === undefined ? "" : ` (no fast one: ${whyPlain})`;
  const beside = inLibtorch.length === 0 ? "" : `, and libtorch for ${inLibtorch.join(", ")}`;
  return `${engine} engine${without}${beside}`;
}

/** What the best epoch is. */
function selectionLines({ metrics, select }: AuditEvent): string[] {
  const metric = metrics.find(({ name }) => name === select);
  if (metric === undefined) return [];
  return [
    `best epoch: the ${metric.higherIsBetter ? "highest" : "lowest"} ${labelOf(metric)}, of equal ones the later`,
  ];
}

function stepText(event: StepEvent, remaining: number): string {
  const parts = [
    `${Math.round(event.imagesPerSecond)} images/s`,
    `loss ${Number.isFinite(event.labelLoss) ? event.labelLoss.toFixed(4) : "not finite"}`,
    `lr ${lr(event.lr)}`,
  ];
  if (Number.isFinite(remaining)) parts.push(`${formatDuration(remaining)} left`);
  return parts.join(" | ") + skipped(event.skippedSteps);
}

function epochLine(event: EpochEvent, epochs: number, metrics: readonly MetricDescription[], select: string): string {
  const tie = event.tiedWith === undefined ? "" : `, equal to epoch ${event.tiedWith}`;
  const notes = { [select]: event.best ? ` (best${tie})` : "" };
  const isLoss = ({ name }: MetricDescription) => name === "loss";
  // The loss goes beside that of training.
  const ordered = [...metrics.filter(isLoss), ...metrics.filter((metric) => !isLoss(metric))];
  return [
    epochText(event.epoch, epochs),
    `training loss ${event.trainLoss.toFixed(4)}`,
    ...metricTexts(ordered, metricsOf(event), notes),
    // An epoch that was stopped in its validation has no steps afterwards.
    ...(event.imagesPerSecond > 0 ? [`${Math.round(event.imagesPerSecond)} images/s`] : []),
    formatDuration(event.seconds),
    ...(event.waitSeconds > MUCH_WAITING * event.seconds
      ? [`${formatDuration(event.waitSeconds)} waiting for images`]
      : []),
    ...(event.badPictures > 0 ? [`pictures that cannot be read: ${event.badPictures}`] : []),
  ].join(" | ");
}

function testLine({ epoch, images, metrics: values, time }: TestEvent, metrics: readonly MetricDescription[]): string {
  const results = metricTexts(metrics, values, {}, "loss").join(", ");
  const again = time > 1 ? `, measured for the ${time}. time: what was chosen by it is too good` : "";
  return `test: ${results} on ${counted(images, "image")} kept for it, by the best weights (epoch ${epoch})${again}`;
}

function doneLines(event: DoneEvent, metrics: readonly MetricDescription[], select: string): string[] {
  const metric = metrics.find(({ name }) => name === select);
  const { best } = event;
  const notes = { [select]: metric && best ? ` (best ${valueText(metric, best.value)} in epoch ${best.epoch})` : "" };
  const results = metricTexts(metrics, metricsOf(event), notes).join(", ");
  return [`done in ${formatDuration(event.seconds)}: ${results}${skipped(event.skippedSteps)}`, `run: ${event.run}`];
}

/** "top-1 91.50 % (best)" of each that there is a value of. The loss is told from that of training. */
function metricTexts(
  metrics: readonly MetricDescription[],
  values: MetricValues,
  notes: Readonly<Record<string, string>>,
  lossName = "validation loss",
): string[] {
  return metrics.flatMap((metric) => {
    const { name } = metric;
    const value = values[name];
    const label = name === "loss" ? lossName : labelOf(metric);
    return value === undefined ? [] : [`${label} ${valueText(metric, value)}${notes[name] ?? ""}`];
  });
}

function labelOf({ name, title }: MetricDescription): string {
  return name === "loss" ? "validation loss" : title;
}

function epochText(epoch: number, epochs: number): string {
  return `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`;
}

/** Three significant digits: "0.0500", "1.25e-7". */
function lr(value: number): string {
  return value.toPrecision(3);
}

function skipped(steps: number): string {
  return steps > 0 ? ` | skipped steps: ${steps}` : "";
}
