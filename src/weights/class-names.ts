import * as fs from "node:fs";
import { systemReason } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";

/**
 * Reads the names of classes, index = label, from a file in one of these forms:
 * - a JSON array of names;
 * - lines of an index (0, 1, ..., in any order) and a name, with a tab or comma between: `0<TAB>n01440764_tench`;
 * - lines of columns with tabs between, the name last;
 * - lines of one name each.
 *
 * @throws InputError where it cannot be read, is empty, or an index is missing or there twice.
 */
export function readClassNames(file: string): string[] {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
  }
  if (text.trimStart().startsWith("[")) return jsonNames(text, file);
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new InputError(`${file} holds no class names: write one a line`);
  const rows = lines.map((line) => /^\s*(\d+)\s*[\t,]\s*(.+)$/.exec(line));
  // The first line may be a heading.
  if (rows.length > 1 && rows.slice(1).every((row) => row !== null)) {
    return indexedNames(
      rows.filter((row) => row !== null),
      file,
    );
  }
  return lines.map(lastColumn);
}

function jsonNames(text: string, file: string): string[] {
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file} is not JSON: ${(error as Error).message.replace(/\s+/g, " ")}`, error);
  }
  if (!Array.isArray(names) || names.length === 0 || names.some((name) => typeof name !== "string")) {
    throw new InputError(`${file}: expected a JSON array of names`);
  }
  return names;
}

function indexedNames(rows: readonly RegExpExecArray[], file: string): string[] {
  const names: string[] = [];
  for (const [, index, rest = ""] of rows) {
    const label = Number(index);
    if (label >= rows.length || names[label] !== undefined) {
      throw new InputError(
        `${file}: class ${index} is ${label >= rows.length ? `beyond the ${rows.length} named` : "named twice"}`,
      );
    }
    names[label] = lastColumn(rest);
  }
  return names;
}

/** What stands after the last tab, without quotes around it. */
function lastColumn(line: string): string {
  return (line.split("\t").at(-1) ?? "").trim().replace(/^"(.*)"$/, "$1");
}

/** IDX folders, and weights without more, know their classes by number only. */
export function hasNames(classes: readonly string[]): boolean {
  return classes.some((name, label) => name !== String(label));
}
