import { InputError } from "../../../base/errors.js";
import { quoted } from "../../../base/printable.js";
import type { HeldImages } from "../../split-options.js";
import type { PhotoListing } from "../photos/photo-listing.js";
import { type Part, partCalled } from "../photos/split-names.js";
import { lookAt } from "../read-files.js";
import { PictureNames } from "./picture-names.js";
import { Table, type TableRow } from "./table.js";

/** Rows that a message lists. */
const SHOWN = 10;
/** Rows that tell which column has the parts. */
const ROWS_LOOKED_AT = 200;

/**
 * What a file of path,part says is not trained on. Paths are as the data set has them, below its folder or whole, with or without
 * endings, or only their ends; parts are called as folders and columns of splits are. Pictures that are not listed are trained on
 * where no row is for training, and are else for nothing.
 *
 * @param from the data, for messages
 * @throws InputError that names lines, where a row's picture or part is unknown, or a picture is in two parts
 */
export function heldByFile(file: string, pictures: PhotoListing, from: string): HeldImages {
  if (!lookAt(file)?.isFile()) throw new InputError(`--split: there is no file ${JSON.stringify(file)}`);
  const table = new Table(file);
  const { path: pathAt, part: partAt, header } = columnsOf(file, table.firstRows(ROWS_LOOKED_AT));
  const names = new PictureNames(pictures);
  const parts = new Map<number, { readonly part: Part; readonly line: number }>();
  const bad: string[] = [];
  let first = header;
  const take = ({ cells, line }: TableRow): string | undefined => {
    const [path = "", called = ""] = [cells[pathAt], cells[partAt]];
    const part = partCalled(called);
    if (part === undefined) return `the part ${quoted(called)} is none of train, val and test`;
    const found = names.find(path);
    if (found === undefined) return `there is no picture ${quoted(path, 200)}`;
    if (found === "several") return `several pictures end in ${quoted(path, 200)}`;
    const before = parts.get(found);
    if (before && before.part !== part) return `${quoted(path, 200)} has another part in line ${before.line}`;
    parts.set(found, { part, line });
    return undefined;
  };
  table.eachRow((row) => {
    const fault = first ? undefined : take(row);
    first = false;
    if (fault !== undefined) bad.push(`line ${row.line}: ${fault}`);
  });
  if (bad.length > 0) {
    const more = bad.length > SHOWN ? "; …" : "";
    const rows = bad.length === 1 ? "1 row" : `${bad.length} rows`;
    throw new InputError(
      `--split: ${file}: ${rows} cannot be used with ${from} (${bad.slice(0, SHOWN).join("; ")}${more}); mend the file`,
    );
  }
  const of = (wanted: Part) =>
    [...parts].filter(([, { part }]) => part === wanted).map(([index]) => pictures.name(index));
  const trains = [...parts.values()].some(({ part }) => part === "train");
  const others = Array.from({ length: trains ? pictures.count : 0 }, (_, index) => index).filter(
    (at) => !parts.has(at),
  );
  const [test, unused] = [of("test"), others.map((index) => pictures.name(index))];
  return {
    validation: of("validation"),
    ...(test.length > 0 && { test }),
    ...(unused.length > 0 && { unused }),
  };
}

/** The parts' column is the one of their words; the pictures' is the first other. */
function columnsOf(file: string, rows: readonly TableRow[]): { path: number; part: number; header: boolean } {
  const width = Math.max(0, ...rows.map(({ cells }) => cells.length));
  const known = (at: number, some: readonly TableRow[]) =>
    some.filter(({ cells }) => partCalled(cells[at] ?? "") !== undefined).length;
  const counts = Array.from({ length: width }, (_, at) => known(at, rows));
  const most = Math.max(0, ...counts);
  if (width < 2 || most === 0) {
    throw new InputError(
      `--split: ${file}: expected are lines of path,part, where a part is train, val or test, and no column has these words`,
    );
  }
  const part = counts.indexOf(most);
  return { path: part === 0 ? 1 : 0, part, header: known(part, rows.slice(0, 1)) === 0 };
}
