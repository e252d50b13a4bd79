import { chart, chartText, PAGE_COLORS } from "../../pages/chart.js";
import type { Html } from "../../pages/html.js";
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

/** Top-1 of each row: seeds as small circles, the mean, and its 95 % interval. */
export function topOnePlot(rows: readonly RowSummary[]): Html {
  const intervals = rows.map(({ row, top1 }) => ({ label: row, figures: top1, color: BLUE, symbol: "diamond" }));
  return intervalPlot(intervals, "top-1 (%)", false);
}

/** The differences of the rows that are compared with another. Verdicts differ in marks too, not only in colour. */
export function deltaPlot(rows: readonly RowSummary[]): Html {
  const intervals = rows
    .filter(({ against }) => against !== null)
    .map(({ row, delta, verdict }) => ({
      label: row,
      figures: delta,
      color: verdict === "helps" ? BLUE : verdict === "hurts" ? ORANGE : GREY,
      symbol: verdict === "helps" ? "triangle" : verdict === "hurts" ? "rect" : "diamond",
    }));
  return intervalPlot(intervals, "difference (percentage points)", true);
}

function intervalPlot(intervals: readonly Interval[], axis: string, zero: boolean): Html {
  const height = intervals.length * ROW_HEIGHT + AXIS_HEIGHT;
  const percent = (value: number) => Number((100 * value).toFixed(4));
  const shown = intervals.flatMap(({ figures, ...style }, index) => (figures ? [{ figures, index, ...style }] : []));
  return chart(
    {
      grid: { left: 16, right: 16, top: 4, height: intervals.length * ROW_HEIGHT },
      xAxis: {
        type: "value",
        scale: !zero,
        name: axis,
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
            ...(figures.ci95 ?? [figures.mean, figures.mean]).map(percent),
            index,
          ]),
          encode: { x: [0, 1], y: 2 },
          renderItem: intervalLine(shown.map(({ color }) => color)),
        },
        {
          type: "scatter",
          data: shown.flatMap(({ figures, index }) => figures.seeds.map((value) => [percent(value), index + 0.72])),
          symbol: "circle",
          symbolSize: 6,
          itemStyle: { color: "transparent", borderColor: INK, borderWidth: 1 },
          ...(zero && { markLine: zeroLine() }),
        },
        {
          type: "scatter",
          data: shown.map(({ figures, index, color, symbol }) => ({
            value: [percent(figures.mean), index + 0.72],
            symbol,
            itemStyle: { color },
          })),
          symbolSize: 11,
        },
        {
          // The rows' names, above their intervals: beside them they would leave no room on a phone.
          type: "custom",
          data: intervals.map((_, index) => [percent(shown[0]?.figures.mean ?? 0), index]),
          encode: { x: [], y: 1 },
          renderItem: rowName(intervals.map(({ label }) => label)),
        },
      ],
    },
    { width: WIDTH, height, label: `${axis} of each row` },
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

/**
 * Validation top-1 over the epochs, a plot a row: each seed thin, the mean thick, and behind it the mean of what the row is compared
 * with. All have one scale, so that they can be compared by eye.
 */
export function curvesPlots(rows: readonly RowSummary[], results: Results): { row: RowSummary; content: Html }[] {
  const percents = rows.flatMap(({ row }) =>
    curvesOf(results, row).flatMap((curve) => curve.map(([, value]) => value)),
  );
  const range = roundRange(Math.min(...percents, 100), Math.max(...percents, 0));
  return rows.map((row) => ({ row, content: curvesPlot(row, results, range) }));
}

interface AxisRange {
  readonly min: number;
  readonly max: number;
  readonly interval: number;
}

/** Of at most five round steps. */
function roundRange(least: number, most: number): AxisRange {
  const interval = [1, 2, 5, 10, 20].find((step) => most - least <= 3 * step) ?? 25;
  return { min: interval * Math.floor(least / interval), max: interval * Math.ceil(most / interval + 1e-9), interval };
}

function curvesPlot(row: RowSummary, results: Results, range: AxisRange): Html {
  const own = curvesOf(results, row.row);
  const other = row.against === null ? [] : meanCurve(curvesOf(results, row.against));
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
        axisLabel: { ...TEXT, formatter: "{value} %" },
        splitLine: { lineStyle: { color: FAINT } },
      },
      series: [
        line(other, { color: GREY, width: 2, type: "dashed" }),
        ...own.map((curve) => line(curve, { color: BLUE, width: 1 })),
        line(meanCurve(own), { color: BLUE, width: 2.5 }),
      ],
    },
    { width: 300, height: 170, label: `top-1 over the epochs: ${row.row}` },
  );
}

type Point = readonly [epoch: number, percent: number];

function curvesOf(results: Results, row: string): Point[][] {
  const runs = [...(results.get(row)?.values() ?? [])].filter((run): run is FinishedRun => "epochs" in run);
  return runs.map(({ epochs }) => epochs.map(({ epoch, top1 }): Point => [epoch, 100 * top1]));
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
