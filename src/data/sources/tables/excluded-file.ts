import { InputError } from "../../../base/errors.js";
import { lookAt } from "../read-files.js";
import { Table } from "./table.js";

const PATHS = ["path", "image", "picture", "file", "filename"];

/**
 * The pictures that a file lists to be left out: one a line, or a table of which the column "path" (or the first) has them, as `knack suspects`
 * writes it.
 *
 * @throws InputError where there is no such file, or nothing in it
 */
export function excludedBy(file: string): string[] {
  if (!lookAt(file)?.isFile()) throw new InputError(`--exclude: there is no file ${JSON.stringify(file)}`);
  const rows: (readonly string[])[] = [];
  new Table(file).eachRow(({ cells }) => rows.push(cells));
  const named = (rows[0] ?? []).findIndex((cell) => PATHS.includes(cell.toLowerCase()));
  const names = rows.slice(named < 0 ? 0 : 1).map((cells) => cells[Math.max(0, named)] ?? "");
  const given = names.filter((name) => name !== "");
  if (given.length === 0) throw new InputError(`--exclude: ${file} lists no pictures`);
  return given;
}
