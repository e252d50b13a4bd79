import { chart, chartText, PAGE_COLORS } from "../../pages/chart.js";
import { type Html, html, nameHtml } from "../../pages/html.js";
import { figure, type Section } from "../../pages/page.js";
import type { Bin, Calibration } from "../../metrics/calibration.js";
import type { KeptCalibration } from "../../weights/calibration.js";
import { percent, whole } from "../figures-text.js";

const WIDTH = 380;
const HEIGHT = 270;

/**
 * Whether the network is right as often as it says.
 *
 * @param nll the mean negative log-likelihood of the labels, nats
 * @param kept what made it so, where something did
 */
export function calibrationSection(
  { bins, ece, accuracy, confidence }: Calibration,
  nll: number,
  kept?: KeptCalibration,
): Section {
  const lean =
    Math.abs(confidence - accuracy) < 0.005
      ? "On the whole it is as sure as it is right"
      : `On the whole it is ${confidence > accuracy ? "surer than it is right (overconfident)" : "less sure than it is right (underconfident)"}`;
  const body = html`<p>${lean}: the mean confidence is ${percent(confidence)}, the accuracy ${percent(accuracy)}.
The expected calibration error (ECE, 15 bins of equal width) is <strong>${percent(ece)}</strong>, the negative log-likelihood
<strong>${nll.toFixed(4)}</strong> nats.</p>${kept ? keptText(kept) : ""}
<div class="pair">
${figure({
  title: "Reliability",
  note: "Bars: how many of the images of that confidence are right. Diamonds: their mean confidence. On the dashed line a network would be right as often as it says; bars below it are overconfident.",
  content: reliability(bins),
})}
${figure({
  title: "Images at each confidence",
  note: "Bins with few images say little in the plot of reliability.",
  content: histogram(bins),
})}
</div>`;
  return { title: "Calibration", body };
}

function keptText({ temperature, images, data, ece, nll, rejection }: KeptCalibration): Html {
  return html`<p>It was calibrated: its logits are divided by a temperature of <strong>${temperature.toFixed(4)}</strong>, which <code>knack calibrate</code> fitted on
${whole(images)} images of ${nameHtml(data)}. On those the ECE went from ${percent(ece.before)} to ${percent(ece.after)}, the negative log-likelihood from ${nll.before.toFixed(4)} to
${nll.after.toFixed(4)} nats. <code>knack predict --reject</code> calls pictures unknown whose ${rejection.score} score is below ${rejection.threshold.toFixed(4)}: of those images ${percent(rejection.kept)} were kept,
and ${percent(rejection.precision)} of these are right.</p>`;
}

function reliability(bins: readonly Bin[]): Html {
  const filled = bins.filter(({ images }) => images > 0);
  return barChart(
    filled.map(({ low, high, accuracy }) => ({ low, high, height: 100 * accuracy })),
    {
      yName: "right (%)",
      most: 100,
      label: "Accuracy of the images in each of 15 bins of confidence",
      more: [
        {
          type: "line",
          data: [
            [0, 0],
            [100, 100],
          ],
          symbol: "none",
          silent: true,
          lineStyle: { color: PAGE_COLORS.muted, type: "dashed", width: 1.5 },
        },
        {
          type: "scatter",
          data: filled.map(({ accuracy, confidence }) => [100 * confidence, 100 * accuracy]),
          symbol: "diamond",
          symbolSize: 9,
          silent: true,
          itemStyle: { color: PAGE_COLORS.second },
        },
      ],
    },
  );
}

function histogram(bins: readonly Bin[]): Html {
  const count = bins.reduce((sum, { images }) => sum + images, 0);
  return barChart(
    bins.map(({ low, high, images }) => ({ low, high, height: (100 * images) / count })),
    { yName: "of the images (%)", label: "Share of the images in each of 15 bins of confidence" },
  );
}

interface Bar {
  readonly low: number;
  readonly high: number;
  readonly height: number;
}

interface BarOptions {
  readonly yName: string;
  readonly label: string;
  /** The upper end of the y axis. Default: the highest bar. */
  readonly most?: number;
  /** What is drawn over the bars. */
  readonly more?: readonly object[];
}

/** Bars over confidence, in percent. */
function barChart(bars: readonly Bar[], { yName, label, most, more = [] }: BarOptions): Html {
  const text = chartText(PAGE_COLORS);
  const axis = {
    type: "value",
    min: 0,
    nameLocation: "middle",
    nameTextStyle: text,
    axisLabel: { ...text, hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: PAGE_COLORS.muted } },
    splitLine: { lineStyle: { color: PAGE_COLORS.line } },
  };
  const option = {
    grid: { left: 56, right: 14, top: 10, bottom: 48 },
    xAxis: { ...axis, max: 100, name: "confidence (%)", nameGap: 26 },
    yAxis: { ...axis, max: most, name: yName, nameGap: 38 },
    series: [
      {
        type: "custom",
        silent: true,
        data: bars.map(({ low, high, height }) => [100 * low, 100 * high, height]),
        encode: { x: [0, 1], y: 2 },
        renderItem: barShape,
      },
      ...more,
    ],
  };
  return chart(option, { width: WIDTH, height: HEIGHT, label });
}

/** What echarts hands to `renderItem` and is used here. */
interface RenderApi {
  value(dimension: number): number;
  coord(point: readonly [number, number]): [number, number];
}

function barShape(_: unknown, api: RenderApi) {
  const [left, top] = api.coord([api.value(0), api.value(2)]);
  const [right, bottom] = api.coord([api.value(1), 0]);
  return {
    type: "rect",
    shape: { x: left + 1, y: top, width: right - left - 2, height: bottom - top },
    style: { fill: PAGE_COLORS.first, fillOpacity: 0.45, stroke: PAGE_COLORS.first, lineWidth: 1 },
  };
}
