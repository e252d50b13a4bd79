import type { EChartsCoreOption } from "echarts/core";
import echarts = require("echarts");
import { Html, html } from "./html.js";

/** The colours of a chart. */
export interface ChartColors {
  readonly paper: string;
  readonly ink: string;
  readonly muted: string;
  /** Lines of the grid. */
  readonly line: string;
  /** The two colours of data, told apart without colour vision too by their lightness. */
  readonly first: string;
  readonly second: string;
}

/** Variables of the page's style, so that a chart follows its light or dark theme. */
export const PAGE_COLORS: ChartColors = {
  paper: "var(--page)",
  ink: "var(--ink)",
  muted: "var(--muted)",
  line: "var(--line)",
  first: "var(--accent)",
  second: "var(--warn)",
};

/** For an SVG file of its own. */
export const FILE_COLORS: ChartColors = {
  paper: "#ffffff",
  ink: "#1f2933",
  muted: "#66717e",
  line: "#e4e7eb",
  first: "#0b5fa5",
  second: "#c2410c",
};

/** CSS pixels. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

/** Text inside a chart. */
export function chartText({ ink }: ChartColors) {
  return { color: ink, fontFamily: "system-ui, sans-serif", fontSize: 12 } as const;
}

/**
 * Draws a chart of echarts without a browser. echarts escapes the texts. It is one file here: as modules, its hundreds of files are all
 * opened at once, more than some machines allow a process.
 *
 * @param fluid whether the SVG takes the width of what it is in; else it has its own size
 */
export function chartSvg(option: EChartsCoreOption, { width, height }: ChartSize, fluid = false): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: chartText(PAGE_COLORS), ...option });
    return chart.renderToSVGString({ useViewBox: fluid });
  } finally {
    chart.dispose(); // else its timer keeps the thread alive
  }
}

/**
 * A chart for a page, as wide as the place it is in but not wider than it was made for.
 *
 * @param label what it shows, for those who do not see it
 */
export function chart(option: EChartsCoreOption, { label, ...size }: ChartSize & { label: string }): Html {
  const svg = new Html(chartSvg(option, size, true));
  return html`<div class="chart" role="img" aria-label="${label}" style="max-width:${Math.round(1.15 * size.width)}px">${svg}</div>`;
}
