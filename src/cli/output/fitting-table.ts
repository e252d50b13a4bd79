import type { Writable } from "node:stream";
import Table from "cli-table3";

/** A column, the most important first. */
export interface TableColumn {
  readonly title: string;
  readonly align: "left" | "right";
  /** Below the title. */
  readonly cells: readonly string[];
}

/** Fewer say nothing. */
const LEAST_COLUMNS = 2;

/** A table as it fits on a terminal: where that is too narrow, the last columns are left out, and named. */
export function fittingTable(columns: readonly TableColumn[], out: Writable): string {
  const { columns: room = Number.POSITIVE_INFINITY } = out as Partial<NodeJS.WriteStream>;
  for (let shown = columns.length; ; shown--) {
    const text = drawn(columns.slice(0, shown));
    const [line = ""] = text.split("\n", 1);
    if (line.length > room && shown > LEAST_COLUMNS) continue;
    const left = columns.slice(shown).map(({ title }) => title);
    return left.length > 0 ? `${text}\n  for a wider terminal, and in the files: ${left.join(", ")}` : text;
  }
}

function drawn(columns: readonly TableColumn[]): string {
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ align }) => align),
    style: { head: [], border: [], compact: true },
  });
  const rows = columns[0]?.cells.length ?? 0;
  for (let row = 0; row < rows; row++) table.push(columns.map(({ cells }) => cells[row] ?? ""));
  return table.toString();
}
