import { join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.js";
import { chartSvg, FILE_COLORS } from "../pages/chart.js";
import { linePanels, type Panel, type Point } from "../pages/line-chart.js";
import type { MetricDescription } from "../metrics/metric.js";
import { taskNamed } from "../tasks/index.js";
import type { EpochEvent, StepEvent, TrainEvent } from "./events.js";
import { metricsOf, selectedOf } from "./metric-fields.js";

const WIDTH = 900;
const PANEL_HEIGHT = 250;

/** The curves of a run over its epochs. */
export interface RunCurves {
  readonly loss: Panel;
  /** Not where pictures may have several labels. */
  readonly top1: Panel | undefined;
  /** What decides on the best epoch, where that is neither the loss nor top-1. */
  readonly selected: Panel | undefined;
  readonly lr: Panel;
  readonly throughput: Panel;
  /** Only where the run scales its loss. */
  readonly lossScale: Panel | undefined;
}

/**
 * Draws a run's loss, top-1, what decides on its best epoch, and learning rate over the epochs into `curves.svg` of its folder.
 *
 * @returns the file's path
 */
export function writeCurves(runFolder: string, metrics: readonly TrainEvent[]): string {
  const file = join(runFolder, "curves.svg");
  const { loss, top1, selected, lr } = curvesOf(metrics);
  const panels = [loss, top1, selected, lr].filter((panel) => panel !== undefined);
  const option = linePanels(panels, { panelHeight: PANEL_HEIGHT, colors: FILE_COLORS, xName: "epoch" });
  writeFileAtomic(file, chartSvg(option, { width: WIDTH, height: panels.length * PANEL_HEIGHT }));
  return file;
}

export function curvesOf(metrics: readonly TrainEvent[]): RunCurves {
  const steps = metrics.filter((event): event is StepEvent => event.type === "step");
  const epochs = metrics.filter((event): event is EpochEvent => event.type === "epoch");
  const perStep = (value: (event: StepEvent) => number) => points(steps, (s) => s.step / s.stepsPerEpoch, value);
  const perEpoch = (value: (event: EpochEvent) => number) => points(epochs, (e) => e.epoch, value);
  const loss = perStep((step) => step.labelLoss);
  const speed = perStep((step) => step.imagesPerSecond);
  const scales = perStep((step) => step.lossScale);
  const best = epochs.findLast((event) => event.best)?.epoch;
  const mark = best === undefined ? undefined : { at: best, name: "best" };
  const selected = selectedOf(metrics);
  const { lossName, name: task } = taskNamed(metrics.find((event) => event.type === "audit"));
  return {
    loss: {
      title: `Loss (${lossName}, nats)`,
      curves: [
        { name: "training", points: loss, color: "first", faint: true },
        { name: "training, smoothed", points: smooth(loss), color: "first" },
        { name: "validation", points: perEpoch((e) => e.validationLoss), color: "second", dash: "dashed", marks: true },
      ],
      mark,
    },
    top1:
      task === "multi-label"
        ? undefined
        : top1Panel(
            perEpoch((event) => 100 * event.top1),
            mark,
          ),
    selected:
      selected === undefined || ["top-1", "loss"].includes(selected.name)
        ? undefined
        : selectedPanel(selected, perEpoch, mark),
    lr: { title: "Learning rate", curves: [{ name: "learning rate", points: perStep((s) => s.lr), color: "first" }] },
    throughput: {
      title: "Training throughput (images/s)",
      curves: [
        { name: "each step", points: speed, color: "first", faint: true },
        { name: "smoothed", points: smooth(speed), color: "first" },
      ],
    },
    lossScale: scales.some(([, scale]) => scale !== 1)
      ? { title: "Loss scale", curves: [{ name: "loss scale", points: scales, color: "first" }] }
      : undefined,
  };
}

function top1Panel(points: Point[], mark: Panel["mark"]): Panel {
  return {
    title: "Validation accuracy, top-1 (%)",
    curves: [{ name: "top-1", points, color: "second", dash: "dashed", marks: true }],
    farFromZero: true,
    percent: true,
    mark,
  };
}

function selectedPanel(
  { name, title, form }: MetricDescription,
  perEpoch: (value: (event: EpochEvent) => number) => Point[],
  mark: Panel["mark"],
): Panel {
  const percent = form === "percent";
  const points = perEpoch((event) => (percent ? 100 : 1) * (metricsOf(event)[name] ?? Number.NaN));
  return {
    title: `Validation ${title}${percent ? " (%)" : ""}`,
    curves: [{ name: title, points, color: "second", dash: "dashed", marks: true }],
    farFromZero: true,
    percent,
    mark,
  };
}

/** Losses that are not finite (null in JSON) leave no point. */
function points<T>(events: readonly T[], epoch: (event: T) => number, value: (event: T) => number): Point[] {
  return events.map((event): Point => [epoch(event), value(event)]).filter(([, y]) => Number.isFinite(y));
}

/** Exponential moving average over about 2 % of the curve, without its usual pull towards the start value 0. */
function smooth(curve: readonly Point[]): Point[] {
  const decay = 1 - 1 / Math.max(5, curve.length / 50);
  let sum = 0;
  let weight = 0;
  return curve.map(([epoch, value]) => {
    sum = decay * sum + value;
    weight = decay * weight + 1;
    return [epoch, sum / weight];
  });
}
