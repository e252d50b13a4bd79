import { basename, dirname, extname, posix, resolve } from "node:path";
import { CsvError } from "csv-parse";
import { parse } from "csv-parse/sync";
import { className } from "../../base/class-name.js";
import { InputError } from "../../base/errors.js";
import { byCodePoint } from "./photos/code-point-order.js";
import { type ListedPhotos, PhotoListing } from "./photos/photo-listing.js";
import { photoSource } from "./photos/photo-source.js";
import { isSplitName, splitsAmong } from "./photos/split-names.js";
import { readDataFile } from "./read-files.js";
import type { PhotoFormat } from "./source.js";

const PATH = ["path", "file", "filename", "file_name", "image"];
const LABEL = ["label", "class"];

export const photoCsv: PhotoFormat = {
  name: "photo-csv",
  words: "a .csv file of path,label",
  recognises: (place) => /\.csv$/i.test(place.spec) && !place.isFolder,
  open: ({ spec, exists }, _, split) => {
    if (!exists) throw new InputError(`there is no ${JSON.stringify(spec)}`);
    return photoSource(listPhotoCsv(spec), split);
  },
};

/**
 * Lists the pictures of a table `path,label` or `path,label,split`, with or without a line of those names (which then tells the
 * columns apart). Paths are relative to the table's folder. Classes are the labels that occur, sorted by code point, or as
 * numbers where all are. A split is "train" or "val" ("test" where there is no "val", otherwise those rows are left out).
 *
 * @throws InputError that names the line where a row has no path, label or known split
 */
function listPhotoCsv(spec: string): ListedPhotos {
  const file = resolve(spec);
  const root = dirname(file);
  const labels: string[] = [];
  const numbers = new Map<string, number>();
  const listings = new Map<string, PhotoListing>();
  let columns: { path: number; label: number; split: number } | undefined;

  // Each row goes straight into a listing: a million rows of strings would fill the memory.
  const take = (row: readonly string[], line: number): void => {
    if (columns === undefined) {
      columns = columnsOf(row);
      if (columns) return;
      columns = { path: 0, label: 1, split: 2 };
    }
    const [path, label, split] = [row[columns.path], className(row[columns.label] ?? ""), row[columns.split] ?? ""];
    const where = `${file}, line ${line}`;
    if (!path || !label) throw new InputError(`${where}: expected are a path and a label, separated by a comma`);
    if (split !== "" && !isSplitName(split)) {
      throw new InputError(`${where}: the split ${JSON.stringify(split)} is neither "train" nor "val" nor "test"`);
    }
    const number = numbers.get(label) ?? labels.push(label) - 1;
    numbers.set(label, number);
    const listing = listings.get(split.toLowerCase()) ?? new PhotoListing(root, "folders");
    listings.set(split.toLowerCase(), listing);
    const folder = posix.dirname(posix.normalize(path));
    listing.add(folder === "." ? "" : folder, posix.basename(path), number);
  };
  try {
    parse(readDataFile(file), {
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      on_record: (row: string[], { lines }) => void take(row, lines),
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new InputError(`${file} is no CSV file: ${error.message.split("\n", 1)[0]}`, error);
  }
  if (labels.length === 0) throw new InputError(`${file} holds no rows: expected are lines of path,label`);
  if (listings.has("") && listings.size > 1) {
    throw new InputError(`${file}: some rows have a split and some have none: give it to all or to none`);
  }

  const { train, validation } = splitsAmong([...listings.keys()]);
  if (!listings.has("") && train === undefined) throw new InputError(`${file}: no row has the split "train"`);
  const classes = labels.toSorted(
    labels.every((label) => /^\d+$/.test(label)) ? (a, b) => Number(a) - Number(b) : byCodePoint,
  );
  const ranks = new Map(classes.map((name, rank) => [name, rank]));
  for (const listing of listings.values()) listing.relabel((number) => ranks.get(labels[number] as string) as number);
  return {
    name: basename(file, extname(file)),
    classes,
    train: listings.get(train ?? "") as PhotoListing,
    validation: listings.get(validation ?? "none"),
    from: file,
    otherFiles: { count: 0, examples: [] },
  };
}

/** Where the columns are if this row is a line of names. */
function columnsOf(row: readonly string[]): { path: number; label: number; split: number } | undefined {
  const at = (names: readonly string[]) => row.findIndex((cell) => names.includes(cell.toLowerCase()));
  const columns = { path: at(PATH), label: at(LABEL), split: at(["split"]) };
  return columns.path >= 0 && columns.label >= 0 ? columns : undefined;
}
