import { Html, html } from "../../pages/html.js";
import { figure, page, table } from "../../pages/page.js";
import type { TableDocument } from "./table-document.js";
import type { Results } from "./summary.js";
import { metricNamed } from "../../metrics/index.js";
import { curvesPlots, deltaPlot, selectedPlot } from "./table-plots.js";
import { columnsOf, remarksOf } from "./table-text.js";

const STYLE = new Html(`
tr.helps td.verdict { color: var(--accent); font-weight: 600; }
tr.hurts td.verdict { color: var(--warn); font-weight: 600; }
`);

/** The table with its plots as one page that needs nothing else. */
export function tableHtml(document: TableDocument, results: Results): string {
  const { title, data, rows, complete } = document;
  const metric = metricNamed(document.select);
  const partial = html`<p class="notice">Partial: runs are missing, and the figures may change.</p>`;
  const lead = html`<p class="lead">${data}</p>
${complete ? [] : [partial]}
${tableOf(document)}
<ul class="remarks">${remarksOf(document).map((remark) => html`<li>${remark}</li>`)}</ul>
<div class="pair">
${figure({
  title: `${metric.title[0]?.toUpperCase()}${metric.title.slice(1)} of the last epoch`,
  note: "Circles are seeds, the diamond is their mean, the line its 95 % interval.",
  content: selectedPlot(metric, rows),
})}
${figure({
  title: "Difference to the row it is compared with",
  note: "A triangle helps, a square hurts, a diamond is unclear: its interval reaches over 0.",
  content: deltaPlot(metric, rows),
})}
</div>`;
  const curves = curvesPlots(metric, rows, results).map(({ row, content }) =>
    figure({ title: row.row, note: row.against === null ? undefined : `against ${row.against}`, content }),
  );
  const body = html`<p class="remarks">Thin: seeds. Thick: their mean. Dashed: the mean of the row it is compared with.</p>
<div class="many">${curves}</div>`;
  return page({ title, lead, sections: [{ title: `Validation ${metric.title} over the epochs`, body }], style: STYLE });
}

function tableOf(document: TableDocument): Html {
  const columns = columnsOf(document).map(({ title, align, text }) => {
    return { title, style: title === "verdict" ? `${align} verdict` : align, cell: text };
  });
  return table(columns, document.rows, ({ verdict }) => verdict ?? "");
}
