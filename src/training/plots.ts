import { join } from "node:path";
import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { writeFileAtomic } from "../atomic-file.js";
import type { EpochEvent, StepEvent, TrainEvent } from "./events.js";

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

const WIDTH = 900;
const PANEL_HEIGHT = 250;
const INK = "#1f2933";
const BLUE = "#0b5fa5";
const ORANGE = "#c2410c";

type Point = [epoch: number, value: number];

interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
  readonly color: string;
  /** Curves of one panel differ in dashes and marks too, not only in colour. */
  readonly dash?: "solid" | "dashed";
  readonly marks?: boolean;
  readonly faint?: boolean;
}

interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
  readonly percent?: boolean;
}

/**
 * Draws a run's loss, top-1 and learning rate over the epochs into `curves.svg` of its folder.
 *
 * @returns the file's path
 */
export function writeCurves(runFolder: string, metrics: readonly TrainEvent[]): string {
  const file = join(runFolder, "curves.svg");
  writeFileAtomic(file, draw(panelsOf(metrics)));
  return file;
}

function panelsOf(metrics: readonly TrainEvent[]): Panel[] {
  const steps = metrics.filter((event): event is StepEvent => event.type === "step");
  const epochs = metrics.filter((event): event is EpochEvent => event.type === "epoch");
  const perStep = (value: (event: StepEvent) => number) => points(steps, (s) => s.step / s.stepsPerEpoch, value);
  const perEpoch = (value: (event: EpochEvent) => number) => points(epochs, (e) => e.epoch, value);
  const loss = perStep((step) => step.labelLoss);
  return [
    {
      title: "Loss (cross-entropy, nats)",
      curves: [
        { name: "training, each step", points: loss, color: BLUE, faint: true },
        { name: "training, smoothed", points: smooth(loss), color: BLUE },
        { name: "validation", points: perEpoch((e) => e.validationLoss), color: ORANGE, dash: "dashed", marks: true },
      ],
    },
    {
      title: "Validation accuracy, top-1 (%)",
      curves: [{ name: "top-1", points: perEpoch((e) => 100 * e.top1), color: ORANGE, dash: "dashed", marks: true }],
      percent: true,
    },
    { title: "Learning rate", curves: [{ name: "learning rate", points: perStep((s) => s.lr), color: BLUE }] },
  ];
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

function draw(panels: readonly Panel[]): string {
  const height = panels.length * PANEL_HEIGHT;
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption(optionOf(panels));
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function optionOf(panels: readonly Panel[]): EChartsCoreOption {
  const text = { color: INK, fontFamily: "sans-serif", fontSize: 12 };
  const top = (panel: number) => panel * PANEL_HEIGHT;
  return {
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: text,
    title: panels.map(({ title }, i) => ({
      text: title,
      left: 60,
      top: top(i) + 10,
      textStyle: { ...text, fontSize: 14, fontWeight: "bold" },
    })),
    legend: panels.flatMap(({ curves }, i) =>
      curves.length === 1
        ? []
        : [
            {
              // The legend would put a mark on every line.
              data: curves.map(({ name, marks }) => ({ name, itemStyle: { opacity: marks ? 1 : 0 } })),
              right: 30,
              top: top(i) + 10,
              itemWidth: 36,
              // Without a browser text widths are estimates, some too short.
              itemGap: 36,
              textStyle: text,
            },
          ],
    ),
    grid: panels.map((_, i) => ({ left: 60, right: 30, top: top(i) + 42, height: PANEL_HEIGHT - 90 })),
    xAxis: panels.map((_, i) => ({
      gridIndex: i,
      type: "value",
      min: 0,
      name: "epoch",
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: text,
      axisLabel: text,
      splitLine: { show: false },
    })),
    yAxis: panels.map(({ percent = false }, i) => ({
      gridIndex: i,
      type: "value",
      // Accuracies lie close together, far from 0.
      scale: percent,
      axisLabel: text,
      splitLine: { lineStyle: { color: "#e4e7eb" } },
    })),
    series: panels.flatMap(({ curves }, i) =>
      curves.map(({ name, points, color, dash = "solid", marks = false, faint = false }) => ({
        type: "line",
        name,
        data: points,
        xAxisIndex: i,
        yAxisIndex: i,
        // Keeps the shape of a long run in as many points as there are pixels.
        sampling: "lttb",
        symbol: marks ? "circle" : "none",
        symbolSize: 6,
        itemStyle: { color },
        lineStyle: { color, type: dash, width: faint ? 1 : 2, opacity: faint ? 0.3 : 1 },
      })),
    ),
  };
}
