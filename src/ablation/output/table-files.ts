import { join } from "node:path";
import { stringify } from "csv-stringify/sync";
import { writeFileAtomic } from "../../base/atomic-file.js";
import type { TableDocument } from "./table-document.js";
import type { Results, RowSummary, SeedFigures } from "./summary.js";
import { tableHtml } from "./table-html.js";
import { columnsOf, remarksOf } from "./table-text.js";

/**
 * Writes `table.json`, `.csv`, `.md` and `.html`, each whole or not at all.
 *
 * @returns their paths
 */
export function writeTableFiles(folder: string, document: TableDocument, results: Results): string[] {
  const contents = {
    json: `${JSON.stringify(document, null, 2)}\n`,
    csv: tableCsv(document),
    md: tableMarkdown(document),
    html: tableHtml(document, results),
  };
  return Object.entries(contents).map(([extension, content]) => {
    const file = join(folder, `table.${extension}`);
    writeFileAtomic(file, content);
    return file;
  });
}

/** Numbers in full, fractions of 1; several in one field are separated by spaces. */
function tableCsv({ rows, complete }: TableDocument): string {
  const figures = (name: string, value: SeedFigures | null) => ({
    [`${name}_mean`]: value?.mean,
    [`${name}_low`]: value?.ci95?.[0],
    [`${name}_high`]: value?.ci95?.[1],
    [`${name}_seeds`]: value?.seeds.join(" "),
  });
  const records = rows.map((row) => ({
    row: row.row,
    seeds: row.seeds.join(" "),
    ...figures("top1", row.top1),
    ...figures("loss", row.loss),
    ...figures("selected", row.selected),
    ...figures("best", row.best),
    against: row.against,
    ...figures("delta", row.delta),
    ...figures("best_delta", row.bestDelta),
    ...figures("loss_delta", row.lossDelta),
    verdict: row.verdict,
    seeds_to_tell: row.seedsToTell,
    images_per_second: row.imagesPerSecond,
    seconds: row.seconds,
    diverged_seeds: row.diverged.map(({ seed }) => seed).join(" "),
    complete: String(complete),
  }));
  return stringify(records, { header: true });
}

function tableMarkdown(document: TableDocument): string {
  const columns = columnsOf(document);
  const line = (cells: readonly string[]) => `| ${cells.map(markdownCell).join(" | ")} |`;
  const { title, data, rows } = document;
  return [
    `# ${markdownCell(title)}`,
    "",
    markdownCell(data),
    "",
    line(columns.map((column) => column.title)),
    `|${columns.map(({ align }) => (align === "right" ? "---:" : "---")).join("|")}|`,
    ...rows.map((row: RowSummary) => line(columns.map(({ text }) => text(row)))),
    "",
    ...remarksOf(document).map((remark) => `- ${markdownCell(remark)}`),
    "",
  ].join("\n");
}

/** Text that Markdown shows as it is, on one line. */
function markdownCell(text: string): string {
  return text.replace(/[\\|`*_<>[\]&]/g, "\\$&").replace(/\s+/g, " ");
}
