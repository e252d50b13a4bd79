import { chart, chartText, PAGE_COLORS } from "../../pages/chart.js";
import type { Html } from "../../pages/html.js";
import { mostPercent } from "../../pages/line-chart.js";
import type { MetricFacts } from "../../metrics/metric.js";
import { metricsOf } from "../../run/metric-fields.js";
import { printable } from "../../base/printable.js";
import type { FinishedRun } from "../runs/results.js";
import { meanOf } from "./statistics.js";
import type { Results, RowSummary, SeedFigures } from "./summary.js";

const { ink: INK, line: FAINT, muted: GREY, first: BLUE, second: ORANGE } = PAGE_COLORS;
const TEXT = chartText(PAGE_COLORS);

const WIDTH = 360;
const ROW_HEIGHT = 46;
const AXIS_HEIGHT = 50;

/** A row's place in a plot of intervals. */
interface Interval {
  readonly label: string;
  readonly figures: SeedFigures | null;
  readonly color: string;
  readonly symbol: string;
}

/** What rows are compared by: seeds as small circles, the mean, and its 95 % interval. */
export function selectedPlot(metric: MetricFacts, rows: readonly RowSummary[]): Html {
  const intervals = rows.map(({ row, selected }) => ({
    label: row,
    figures: selected,
    color: BLUE,
    symbol: "diamond",
  }));
  const { title, form } = metric;
  return intervalPlot(intervals, { metric, name: form === "percent" ? `${title} (%)` : title, ofDifferences: false });
}

/** The differences of the rows that are compared with another. Verdicts differ in marks too, not only in colour. */
export function deltaPlot(metric: MetricFacts, rows: readonly RowSummary[]): Html {
  const intervals = rows
    .filter(({ against }) => against !== null)
    .map(({ row, delta, verdict }) => ({
      label: row,
      figures: delta,
      color: verdict === "helps" ? BLUE : verdict === "hurts" ? ORANGE : GREY,
      symbol: verdict === "helps" ? "triangle" : verdict === "hurts" ? "rect" : "diamond",
    }));
  const name = metric.form === "percent" ? "difference (percentage points)" : `difference (${metric.title})`;
  return intervalPlot(intervals, { metric, name, ofDifferences: true });
}

interface IntervalAxis {
  readonly metric: MetricFacts;
  readonly name: string;
  /** They lie around 0; values of a share lie within 0 and 100 %, and what an interval has beyond that is not drawn. */
  readonly ofDifferences: boolean;
}

function intervalPlot(intervals: readonly Interval[], { metric, name, ofDifferences }: IntervalAxis): Html {
  const height = intervals.length * ROW_HEIGHT + AXIS_HEIGHT;
  const isShare = metric.form === "percent" && !ofDifferences;
  const drawn = (value: number) => {
    const shown = drawnValue(metric, value);
    return isShare ? Math.min(100, Math.max(0, shown)) : shown;
  };
  const shown = intervals.flatMap(({ figures, ...style }, index) => (figures ? [{ figures, index, ...style }] : []));
  return chart(
    {
      grid: { left: 16, right: 16, top: 4, height: intervals.length * ROW_HEIGHT },
      xAxis: {
        type: "value",
        scale: !ofDifferences,
        ...(isShare && { max: mostPercent }),
        name,
        nameLocation: "middle",
        nameGap: 26,
        nameTextStyle: TEXT,
        axisLabel: { ...TEXT, hideOverlap: true },
        position: "bottom",
        axisLine: { show: true, onZero: false, lineStyle: { color: FAINT } },
        splitLine: { lineStyle: { color: FAINT } },
      },
      yAxis: {
        type: "value",
        min: 0,
        max: intervals.length,
        inverse: true,
        show: false,
      },
      series: [
        {
          type: "custom",
          data: shown.map(({ figures, index }) => [
            ...(figures.ci95 ?? [figures.mean, figures.mean]).map(drawn),
            index,
          ]),
          encode: { x: [0, 1], y: 2 },
          renderItem: intervalLine(shown.map(({ color }) => color)),
        },
        {
          type: "scatter",
          data: shown.flatMap(({ figures, index }) => figures.seeds.map((value) => [drawn(value), index + 0.72])),
          symbol: "circle",
          symbolSize: 6,
          itemStyle: { color: "transparent", borderColor: INK, borderWidth: 1 },
          ...(ofDifferences && { markLine: zeroLine() }),
        },
        {
          type: "scatter",
          data: shown.map(({ figures, index, color, symbol }) => ({
            value: [drawn(figures.mean), index + 0.72],
            symbol,
            itemStyle: { color },
          })),
          symbolSize: 11,
        },
        {
          // The rows' names, above their intervals: beside them they would leave no room on a phone.
          type: "custom",
          data: intervals.map((_, index) => [drawn(shown[0]?.figures.mean ?? 0), index]),
          encode: { x: [], y: 1 },
          renderItem: rowName(intervals.map(({ label }) => label)),
        },
      ],
    },
    { width: WIDTH, height, label: `${name} of each row` },
  );
}

/** What echarts hands to `renderItem` and is used here. */
interface RenderApi {
  value(dimension: number): number;
  coord(point: readonly [number, number]): [number, number];
}

function intervalLine(colors: readonly string[]) {
  return ({ dataIndex }: { dataIndex: number }, api: RenderApi) => {
    const row = api.value(2) + 0.72;
    const [x1, y] = api.coord([api.value(0), row]);
    const [x2] = api.coord([api.value(1), row]);
    const style = { stroke: colors[dataIndex], lineWidth: 2.5 };
    const line = (from: [number, number], to: [number, number]) => ({
      type: "line",
      shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
      style,
    });
    const cap = 5;
    return {
      type: "group",
      children: [line([x1, y], [x2, y]), line([x1, y - cap], [x1, y + cap]), line([x2, y - cap], [x2, y + cap])],
    };
  };
}

function rowName(names: readonly string[]) {
  return ({ dataIndex, coordSys }: { dataIndex: number; coordSys: { x: number } }, api: RenderApi) => {
    const [, y] = api.coord([0, api.value(1)]);
    const name = printable(names[dataIndex] ?? "", 60);
    const style = { text: name, fill: INK, font: `600 12px ${TEXT.fontFamily}`, textVerticalAlign: "top" };
    return { type: "text", x: coordSys.x, y: y + 6, style };
  };
}

function zeroLine() {
  return {
    silent: true,
    symbol: "none",
    label: { show: false },
    lineStyle: { color: INK, type: "dashed", width: 1 },
    data: [{ xAxis: 0 }],
  };
}

/** As plots show it: a share as a percentage. */
function drawnValue({ form }: MetricFacts, value: number): number {
  return form === "percent" ? Number((100 * value).toFixed(4)) : value;
}

/**
 * What rows are compared by, over the epochs, a plot a row: each seed thin, the mean thick, and behind it the mean of what the row is compared
 * with. All have one scale, so that they can be compared by eye.
 */
export function curvesPlots(
  metric: MetricFacts,
  rows: readonly RowSummary[],
  results: Results,
): { row: RowSummary; content: Html }[] {
  const values = rows.flatMap(({ row }) =>
    curvesOf(metric, results, row).flatMap((curve) => curve.map(([, value]) => value)),
  );
  const range = metric.form === "percent" ? percentRange(values) : fineRange(values);
  return rows.map((row) => ({ row, content: curvesPlot(metric, row, results, range) }));
}

interface AxisRange {
  readonly min: number;
  readonly max: number;
  readonly interval?: number;
}

/** Of at most five round steps, within 0 and 100. */
function percentRange(values: readonly number[]): AxisRange {
  const [least, most] = [Math.min(...values, 100), Math.max(...values, 0)];
  const interval = [1, 2, 5, 10, 20].find((step) => most - least <= 3 * step) ?? 25;
  const max = Math.min(100, interval * Math.ceil(most / interval + 1e-9));
  return { min: Math.min(interval * Math.floor(least / interval), max - interval), max, interval };
}

/** Of numbers of any size, with a little room. */
function fineRange(values: readonly number[]): AxisRange {
  if (values.length === 0) return { min: 0, max: 0 };
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const step = 10 ** Math.floor(Math.log10(Math.max(most - least, 1e-3)));
  return { min: step * Math.floor(least / step), max: step * Math.ceil(most / step + 1e-9) };
}

function curvesPlot(metric: MetricFacts, row: RowSummary, results: Results, range: AxisRange): Html {
  const own = curvesOf(metric, results, row.row);
  const other = row.against === null ? [] : meanCurve(curvesOf(metric, results, row.against));
  const line = (points: readonly Point[], style: { color: string; width: number; type?: string }) => ({
    type: "line",
    data: points,
    symbol: points.length === 1 ? "circle" : "none",
    symbolSize: 5,
    itemStyle: { color: style.color },
    lineStyle: style,
  });
  return chart(
    {
      grid: { left: 44, right: 12, top: 10, height: 118 },
      xAxis: {
        type: "value",
        min: 0,
        name: "epoch",
        nameLocation: "middle",
        nameGap: 24,
        nameTextStyle: TEXT,
        axisLabel: { ...TEXT, hideOverlap: true },
        axisLine: { lineStyle: { color: FAINT } },
        splitLine: { show: false },
        minInterval: 1,
      },
      yAxis: {
        type: "value",
        ...(range.min < range.max && range),
        axisLabel: { ...TEXT, ...(metric.form === "percent" && { formatter: "{value} %" }) },
        splitLine: { lineStyle: { color: FAINT } },
      },
      series: [
        line(other, { color: GREY, width: 2, type: "dashed" }),
        ...own.map((curve) => line(curve, { color: BLUE, width: 1 })),
        line(meanCurve(own), { color: BLUE, width: 2.5 }),
      ],
    },
    { width: 300, height: 170, label: `${metric.title} over the epochs: ${row.row}` },
  );
}

type Point = readonly [epoch: number, value: number];

function curvesOf(metric: MetricFacts, results: Results, row: string): Point[][] {
  const runs = [...(results.get(row)?.values() ?? [])].filter((run): run is FinishedRun => "epochs" in run);
  return runs.map(({ epochs }) =>
    epochs
      .map((event): Point => [event.epoch, drawnValue(metric, metricsOf(event)[metric.name] ?? Number.NaN)])
      .filter(([, value]) => Number.isFinite(value)),
  );
}

/** Over the epochs that every run has: early stop ends some before others. */
function meanCurve(curves: readonly Point[][]): Point[] {
  if (curves.length === 0) return [];
  const length = Math.min(...curves.map((curve) => curve.length));
  return Array.from({ length }, (_, index): Point => {
    const values = curves.map((curve) => curve[index]?.[1] ?? 0);
    return [curves[0]?.[index]?.[0] ?? index + 1, meanOf(values)];
  });
}
