import type { TableDocument } from "./document.js";
import { escapeHtml, htmlPage } from "./html-page.js";
import type { Results } from "./summary.js";
import { curvesPlots, deltaPlot, topOnePlot } from "./table-plots.js";
import { type Column, columnsOf, remarksOf } from "./table-text.js";

/** The table with its plots as one page that needs nothing else. */
export function tableHtml(document: TableDocument, results: Results): string {
  const { title, data, rows, complete } = document;
  const body = [
    `<p class="lead">${escapeHtml(data)}</p>`,
    ...(complete ? [] : ['<p class="notice">Partial: runs are missing, and the figures may change.</p>']),
    `<div class="scroll">${tableOf(document)}</div>`,
    `<ul class="remarks">${remarksOf(document)
      .map((remark) => `<li>${escapeHtml(remark)}</li>`)
      .join("")}</ul>`,
    '<div class="pair">',
    figure(
      "Top-1 of the last epoch",
      topOnePlot(rows),
      "Circles are seeds, the diamond is their mean, the line its 95 % interval.",
    ),
    figure(
      "Difference to the row it is compared with",
      deltaPlot(rows),
      "A triangle helps, a square hurts, a diamond is unclear: its interval reaches over 0.",
    ),
    "</div>",
    "<h2>Validation top-1 over the epochs</h2>",
    '<p class="remarks">Thin: seeds. Thick: their mean. Dashed: the mean of the row it is compared with.</p>',
    '<div class="many">',
    ...curvesPlots(rows, results).map(({ row, svg }) => figure(row.row, svg, comparedWith(row.against))),
    "</div>",
  ];
  return htmlPage(title, body.join("\n"));
}

function tableOf(document: TableDocument): string {
  const columns = columnsOf(document);
  const cell = (tag: "th" | "td", { title, align }: Column, text: string) =>
    `<${tag} class="${align}${title === "verdict" ? " verdict" : ""}">${escapeHtml(text)}</${tag}>`;
  const head = columns.map((column) => cell("th", column, column.title)).join("");
  const lines = document.rows.map((row) => {
    const cells = columns.map((column) => cell("td", column, column.text(row))).join("");
    return `<tr class="${row.verdict ?? ""}">${cells}</tr>`;
  });
  return `<table><thead><tr>${head}</tr></thead><tbody>${lines.join("\n")}</tbody></table>`;
}

function figure(title: string, svg: string, caption: string): string {
  const described = caption === "" ? "" : `<p>${escapeHtml(caption)}</p>`;
  return `<figure><figcaption><strong>${escapeHtml(title)}</strong>${described}</figcaption>${svg}</figure>`;
}

function comparedWith(against: string | null): string {
  return against === null ? "" : `against ${against}`;
}
