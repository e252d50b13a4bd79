import { type Html, html } from "./html.js";
import { STYLE } from "./page-style.js";

export interface Section {
  readonly title: string;
  readonly body: Html;
}

export interface Page {
  readonly title: string;
  /** What stands under the title. */
  readonly lead: Html;
  readonly sections: readonly Section[];
  /** CSS beside that of all pages. */
  readonly style: Html;
}

/** A page in one file that needs no other and runs no script: light or dark as the reader's system is, and as narrow as a phone. */
export function page({ title, lead, sections, style }: Page): string {
  const parts = sections.map(({ title, body }) => html`<section><h2>${title}</h2>${body}</section>\n`);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}${style}</style>
</head>
<body>
<h1>${title}</h1>
${lead}
${parts}</body>
</html>
`.markup;
}

/** A chart or picture with its title and a line of explanation. */
export function figure({ title, note, content }: { title: string; note?: string | undefined; content: Html }): Html {
  const explanation = note ? [html`<p>${note}</p>`] : [];
  return html`<figure><figcaption><strong>${title}</strong>${explanation}</figcaption>${content}</figure>`;
}

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string | number | Html;
  /** Classes of the page's style: "right" for numbers, "wide" for text of several lines. */
  readonly style?: string;
}

/** A table that scrolls sideways by itself where the page is too narrow for it. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  rowStyle: (row: Row) => string = () => "",
): Html {
  const head = columns.map(({ title, style = "" }) => html`<th scope="col" class="${style}">${title}</th>`);
  const lines = rows.map((row) => {
    const cells = columns.map(({ cell, style = "" }) => html`<td class="${style}">${cell(row)}</td>`);
    return html`<tr class="${rowStyle(row)}">${cells}</tr>\n`;
  });
  return html`<div class="scroll"><table><thead><tr>${head}</tr></thead>\n<tbody>${lines}</tbody></table></div>`;
}
