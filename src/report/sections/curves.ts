import { chart, PAGE_COLORS } from "../../pages/chart.js";
import { type Html, html } from "../../pages/html.js";
import { linePanels, type Panel } from "../../pages/line-chart.js";
import { figure, type Section } from "../../pages/page.js";
import { curvesOf } from "../../run/plots.js";
import type { RunRecord } from "../run-record.js";

const WIDTH = 380;
const HEIGHT = 220;

/** The run over its epochs. */
export function curvesSection({ metrics }: RunRecord): Section {
  const { loss, top1, selected, lr, throughput, lossScale } = curvesOf(metrics);
  const panels = [loss, top1, selected, lr, throughput, lossScale].filter((panel) => panel !== undefined);
  return { title: "Curves", body: html`<div class="pair">${panels.map(curveFigure)}</div>` };
}

function curveFigure(panel: Panel): Html {
  return figure({ title: panel.title, content: drawn(panel) });
}

function drawn(panel: Panel): Html {
  if (panel.curves.every(({ points }) => points.length === 0)) return html`<p class="remarks">No figures.</p>`;
  const option = linePanels([panel], { panelHeight: HEIGHT, colors: PAGE_COLORS, titles: false, xName: "epoch" });
  return chart(option, { width: WIDTH, height: HEIGHT, label: `${panel.title} over the epochs` });
}
