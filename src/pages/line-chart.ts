import type { EChartsCoreOption } from "echarts/core";
import { type ChartColors, chartText } from "./chart.js";

export type Point = readonly [x: number, y: number];

export interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
  /** Which of the chart's colours. Curves of one panel differ in dashes and marks too. */
  readonly color: "first" | "second";
  readonly dash?: "solid" | "dashed";
  readonly marks?: boolean;
  readonly faint?: boolean;
}

/** Curves over one axis. */
export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** Whether the values lie close together, far from 0. */
  readonly farFromZero?: boolean;
  /** Whether they are shares of 100: the axis ends there. */
  readonly percent?: boolean;
  /** A place on the x axis that is marked across the panel. */
  readonly mark?: { readonly at: number; readonly name: string } | undefined;
}

export interface PanelLayout {
  readonly panelHeight: number;
  readonly colors: ChartColors;
  /** Where the titles and legends of the panels are; a page has titles of its own. Default: both above the panel. */
  readonly titles?: boolean;
  readonly xName: string;
}

const TITLE = 42;
const AXIS = 48;

/** Beyond these the labels of an axis are written with a power of ten: below 1e-20 echarts draws no axis but throws. */
const SMALLEST_PLAIN = 1e-4;
const LARGEST_PLAIN = 1e7;

/** Panels of curves, one below the other, of which all have the same x axis. */
export function linePanels(
  panels: readonly Panel[],
  { panelHeight, colors, titles = true, xName }: PanelLayout,
): EChartsCoreOption {
  const text = chartText(colors);
  const top = (panel: number) => panel * panelHeight;
  const powers = panels.map(powerOf);
  return {
    animation: false,
    textStyle: text,
    ...(titles && {
      backgroundColor: colors.paper,
      title: panels.map(({ title }, i) => ({
        text: title,
        left: 60,
        top: top(i) + 10,
        textStyle: { ...text, fontSize: 14, fontWeight: "bold" },
      })),
    }),
    legend: panels.flatMap(({ curves }, i) =>
      curves.length === 1
        ? []
        : [
            {
              // The legend would put a mark on every line.
              data: curves.map(({ name, marks }) => ({ name, itemStyle: { opacity: marks ? 1 : 0 } })),
              ...(titles ? { right: 30 } : { left: 0 }),
              top: top(i) + (titles ? 10 : 2),
              itemWidth: titles ? 36 : 24,
              // Without a browser text widths are estimates, some too short.
              itemGap: titles ? 36 : 30,
              textStyle: text,
            },
          ],
    ),
    grid: panels.map((_, i) => ({
      left: 60,
      right: titles ? 30 : 14,
      top: top(i) + (titles ? TITLE : TITLE - 8),
      height: panelHeight - TITLE - AXIS,
    })),
    xAxis: panels.map((_, i) => ({
      gridIndex: i,
      type: "value",
      min: 0,
      max: "dataMax",
      name: xName,
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: text,
      axisLabel: { ...text, hideOverlap: true },
      axisLine: { lineStyle: { color: colors.muted } },
      splitLine: { show: false },
    })),
    yAxis: panels.map(({ farFromZero = false, percent = false }, i) => ({
      gridIndex: i,
      type: "value",
      scale: farFromZero,
      ...(percent && { max: mostPercent }),
      splitNumber: 4,
      axisLine: { lineStyle: { color: colors.muted } },
      axisLabel: {
        ...text,
        ...(powers[i] !== 0 && { formatter: (value: number) => label(value, powers[i] as number) }),
      },
      splitLine: { lineStyle: { color: colors.line } },
    })),
    series: panels.flatMap(({ curves, mark }, i) =>
      curves.map(({ name, points, color, dash = "solid", marks = false, faint = false }, curve) => ({
        type: "line",
        name,
        silent: true,
        data: powers[i] === 0 ? points : points.map(([x, y]): Point => [x, timesPowerOfTen(y, -(powers[i] as number))]),
        xAxisIndex: i,
        yAxisIndex: i,
        // Keeps the shape of a long run in as many points as there are pixels.
        sampling: "lttb",
        symbol: marks ? "circle" : "none",
        symbolSize: 6,
        itemStyle: { color: colors[color] },
        lineStyle: { color: colors[color], type: dash, width: faint ? 1 : 2, opacity: faint ? 0.4 : 1 },
        ...(mark && curve === curves.length - 1 && { markLine: markedAt(mark, colors) }),
      })),
    ),
  };
}

/** A line across a panel, its name at the top. */
function markedAt({ at, name }: { at: number; name: string }, colors: ChartColors): object {
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: colors.muted, type: "dotted", width: 1.5 },
    label: { ...chartText(colors), formatter: name, position: "end", distance: 1 },
    data: [{ xAxis: at }],
  };
}

/** Where an axis of percent ends: at 100 where a round end above the values would lie beyond it; else where echarts has it. */
export function mostPercent({ min, max }: { min: number; max: number }): number | null {
  return max + (max - min) / 2 >= 100 || min === max ? 100 : null;
}

/** The power of ten that a panel's values are divided by before they are drawn; 0 where they are of a size that people read. */
function powerOf({ curves }: Panel): number {
  const largest = Math.max(
    0,
    ...curves.map(({ points }) => points.reduce((most, [, y]) => Math.max(most, Math.abs(y)), 0)),
  );
  if (largest === 0 || (largest >= SMALLEST_PLAIN && largest < LARGEST_PLAIN)) return 0;
  return Math.floor(Math.log10(largest));
}

/** What the axis says at a value that was divided by a power of ten: "5e-21". */
function label(value: number, power: number): string {
  if (value === 0) return "0";
  const [digits, exponent] = Number(value.toPrecision(6)).toExponential().split("e");
  return `${digits}e${Number(exponent) + power}`;
}

/** In two parts, because 10^power alone may be too large or too small for a number. */
function timesPowerOfTen(value: number, power: number): number {
  const half = Math.trunc(power / 2);
  return value * 10 ** half * 10 ** (power - half);
}
