import { CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, MarkLineComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([CustomChart, LineChart, ScatterChart, GridComponent, MarkLineComponent, SVGRenderer]);

/** Colours are variables of the page's style, so that a chart follows its light or dark theme. */
export const INK = "var(--ink)";
export const FAINT = "var(--line)";
export const BLUE = "var(--accent)";
export const ORANGE = "var(--warn)";
export const GREY = "var(--muted)";

export const TEXT = { color: INK, fontFamily: "system-ui, sans-serif", fontSize: 12 };

/** Draws a chart as SVG text that takes the width it is given, without a browser. Sizes are in CSS pixels. */
export function svgChart(option: EChartsCoreOption, { width, height }: { width: number; height: number }): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({ animation: false, textStyle: TEXT, ...option });
  const svg = chart.renderToSVGString({ useViewBox: true });
  chart.dispose();
  return svg;
}
