import { quoted } from "../../base/printable.js";
import { basename, dirname, extname, posix, resolve } from "node:path";
import { className } from "../../base/class-name.js";
import { InputError } from "../../base/errors.js";
import { type ListedPhotos, PhotoListing } from "./photos/photo-listing.js";
import { photoSource } from "./photos/photo-source.js";
import { isSplitName, partCalled, splitsAmong } from "./photos/split-names.js";
import { validationListFor } from "./tables/validation-list.js";
import { lookAt } from "./read-files.js";
import type { ListOptions, PhotoFormat } from "./source.js";
import { isMissing } from "./tables/class-labels.js";
import { type Columns, columnsOf, isFlag, isSet, type WantedColumns } from "./tables/columns.js";
import { type LabelSplitter, labelSplitterFor } from "./tables/label-lists.js";
import { LabelNumbers } from "./tables/label-numbers.js";
import { PictureFinder } from "./tables/picture-finder.js";
import { Table } from "./tables/table.js";

/** Rows that tell the columns apart. */
const ROWS_LOOKED_AT = 200;
/** Characters of a cell that a message shows. */
const LONGEST = 200;
/** Bad rows that a message lists. */
const SHOWN = 10;

export const photoCsv: PhotoFormat = {
  name: "photo-csv",
  words: "a .csv file of path,label",
  isList: true,
  recognises: (place) => /\.(csv|tsv)$/i.test(place.spec) && !place.isFolder,
  open: ({ spec, exists }, options) => {
    if (!exists) throw new InputError(`there is no ${JSON.stringify(spec)}`);
    const list = { ...options, groupColumn: options.split?.group };
    return photoSource(new PhotoList(spec, list).listed(options.whole), options);
  },
};

/**
 * A table of pictures and labels, perhaps with a split, with or without a line of names. Pictures are looked for below the table's folder
 * or `images`. Classes are the labels that occur, sorted by code point, or as numbers where all are. A split is "train" or "val" ("test"
 * where there is no "val", otherwise those rows are left out). A list called train.csv is validated on the val.csv beside it.
 */
class PhotoList {
  readonly #file: string;
  readonly #finder: PictureFinder;
  readonly #labels = new LabelNumbers();
  /** Where a picture may have several labels and these are in one column. */
  #splitter: LabelSplitter | undefined;
  readonly #listings = new Map<string, PhotoListing>();
  /** Each picture with its first row's label and line. */
  readonly #seen = new Map<string, { readonly number: number; readonly line: string; readonly split: string }>();
  readonly #groups = new Map<string, string>();
  readonly #bad: string[] = [];
  #unused: readonly string[] = [];
  #isGrouped = false;
  #missing = 0;
  #severalPlaces = 0;
  #repeated = 0;
  #inBoth = 0;

  constructor(
    spec: string,
    private readonly options: ListOptions & WantedColumns,
  ) {
    this.#file = resolve(spec);
    const { images } = options;
    if (images !== undefined && !lookAt(images)?.isDirectory()) {
      throw new InputError(`--images: there is no folder ${JSON.stringify(images)}`);
    }
    this.#finder = new PictureFinder(resolve(images ?? dirname(this.#file)));
  }

  /**
   * @param whole whether the list alone is wanted, to measure it
   * @throws InputError that names lines, where rows have no picture, label or known split and are not left out
   */
  listed(whole = false): ListedPhotos {
    const file = this.#file;
    this.#read(file);
    const trained = this.#labels.names.length;
    const splits = [...this.#listings.keys()].some((split) => split !== "");
    const beside = whole || splits ? undefined : validationListFor(file);
    if (beside !== undefined) this.#read(beside, "val");
    this.#refuseBadRows();
    if (this.#labels.count === 0) throw new InputError(`${file} holds no rows: expected are lines of path,label`);
    const unknown = this.#labels.names[trained];
    if (beside !== undefined && unknown !== undefined) {
      throw new InputError(`${quoted(unknown, LONGEST)} in ${beside} is a class that ${file} does not have`);
    }
    return this.#listed(beside);
  }

  #listed(beside: string | undefined): ListedPhotos {
    const file = this.#file;
    const listings = this.#listings;
    if (beside === undefined && listings.has("") && listings.size > 1) {
      throw new InputError(`${file}: some rows have a split and some have none: give it to all or to none`);
    }
    const { train, validation, test } = splitsAmong([...listings.keys()]);
    if (!listings.has("") && train === undefined) throw new InputError(`${file}: no row has the split "train"`);
    const { classes, labelSets } = this.#labels.sorted();
    if (!this.options.multiLabel) {
      for (const listing of listings.values()) listing.relabel((number) => labelSets[number]?.[0] as number);
    }
    return {
      name: basename(file, extname(file)),
      classes,
      labelSets: this.options.multiLabel ? labelSets : undefined,
      train: listings.get(train ?? "") as PhotoListing,
      validation: listings.get(validation ?? "none"),
      validationIsTest: partCalled(validation ?? "") === "test",
      test: listings.get(test ?? "none"),
      from: beside === undefined ? file : `${file} and ${basename(beside)}`,
      otherFiles: { count: 0, examples: [] },
      groups: this.#isGrouped ? this.#groups : undefined,
      notes: [...this.#notes(), ...this.#leftOut([train ?? "", validation ?? "none", test ?? "none"])],
    };
  }

  /** @param split that of all its rows, where the file's name says it */
  #read(file: string, split?: string): void {
    const table = new Table(file);
    const rows = table.firstRows(ROWS_LOOKED_AT);
    if (rows.length === 0) throw new InputError(`${file} holds no rows: expected are lines of path,label`);
    const columns = columnsOf(file, rows, this.#finder, this.options);
    if (split === undefined) this.#unused = columns.unused;
    this.#isGrouped ||= columns.group !== undefined;
    const name = split === undefined ? "" : `${basename(file)} `;
    if (this.options.multiLabel && !columns.areFlags)
      this.#splitter ??= labelSplitterFor(labelCellsOf(table, columns), file);
    let first = columns.header !== undefined;
    table.eachRow((row) => {
      if (first) first = false;
      else {
        const line = `${name}line ${row.line}`;
        const fault = this.#take(row.cells, line, columns, split);
        if (fault !== undefined) this.#bad.push(`${line}: ${fault}`);
      }
    });
  }

  /** @returns why the row cannot be used, if so */
  #take(cells: readonly string[], line: string, columns: Columns, splitOfAll?: string): string | undefined {
    const { path: at, split: splitAt, group: groupAt, header } = columns;
    const path = cells[at] ?? "";
    const labels = this.options.multiLabel ? this.#setIn(cells, columns) : labelsIn(cells, columns);
    const split = splitOfAll ?? (splitAt === undefined ? "" : (cells[splitAt] ?? "").toLowerCase());
    if (header && path === header[at] && cells.every((cell, i) => cell === header[i])) return "the line of names again";
    if (path === "") return "no picture";
    if (typeof labels === "string") return labels;
    if (!this.options.multiLabel) {
      const [label = "", another] = labels;
      if (another !== undefined) return `several labels, ${quoted(label, LONGEST)} and ${quoted(another, LONGEST)}`;
      if (isMissing(label)) return "no label";
    }
    if (split !== "" && !isSplitName(split)) {
      return `the split ${quoted(split, LONGEST)} is neither "train" nor "val" nor "test"`;
    }
    const found = this.#finder.find(path);
    if (found === undefined) {
      this.#missing++;
      return `there is no picture ${quoted(path, LONGEST)}`;
    }
    if ("several" in found) {
      this.#severalPlaces++;
      const names = found.several.slice(0, 3).map((name) => quoted(name, LONGEST));
      return `${quoted(path, LONGEST)} may be ${names.join(" or ")}`;
    }
    const number = this.#labels.numberOf(labels);
    const before = this.#seen.get(found.picture);
    if (before !== undefined && before.number !== number) {
      return `${quoted(path, LONGEST)} has another label than in ${before.line}`;
    }
    // Where pictures are held out by chance, a copy could be trained on.
    if (before?.split === "" && split === "") {
      this.#repeated++;
      return undefined;
    }
    if (before !== undefined && before.split !== split) this.#inBoth++;
    this.#seen.set(found.picture, before ?? { number, line, split });
    this.#labels.add(labels);
    const group = groupAt === undefined ? "" : (cells[groupAt] ?? "");
    if (group !== "") this.#groups.set(found.picture, group);
    const listing = this.#listings.get(split) ?? new PhotoListing(this.#finder.root, "folders");
    this.#listings.set(split, listing);
    const folder = posix.dirname(found.picture);
    listing.add(folder === "." ? "" : folder, posix.basename(found.picture), number);
    return undefined;
  }

  /** The labels of a row that may have several, or none. @returns a text, why they cannot be known */
  #setIn(cells: readonly string[], { labels, areFlags, header }: Columns): string[] | string {
    if (areFlags) {
      const odd = labels.find((at) => !isFlag(cells[at]));
      const column = (at: number) => quoted(header?.[at] ?? "", LONGEST);
      if (odd !== undefined)
        return `${quoted(cells[odd] ?? "", LONGEST)} in the column ${column(odd)} is neither 0 nor 1`;
      return labels.filter((at) => isSet(cells[at])).map((at) => className(header?.[at] ?? ""));
    }
    const found = (this.#splitter as LabelSplitter)(cells[labels[0] as number] ?? "").map(className);
    const unclear = found.find(isMissing);
    return unclear === undefined
      ? found
      : `${quoted(unclear)} may be no label or an unknown one: where there is none, leave it empty`;
  }

  #refuseBadRows(): void {
    if (this.#bad.length === 0) return;
    if (this.#seen.size === 0 && this.#missing > 0) {
      throw new InputError(
        `${this.#file}: none of its pictures is below ${this.#finder.root} (${this.#bad[0]}): say where they are by --images DIR`,
      );
    }
    if (this.#seen.size === 0 && this.#severalPlaces > 0) {
      throw new InputError(
        `${this.#file}: its pictures are in several folders below ${this.#finder.root} (${this.#bad[0]}): say which by --images DIR`,
      );
    }
    if (this.options.skipBadRows) return;
    throw new InputError(
      `${this.#file}: ${this.#badRows("cannot be used")}; mend ${this.#bad.length === 1 ? "it" : "them"}, or use --skip-bad-rows`,
    );
  }

  #badRows(what: string): string {
    const count = this.#bad.length;
    const more = count > SHOWN ? "; …" : "";
    return `${count} row${count === 1 ? "" : "s"} ${what} (${this.#bad.slice(0, SHOWN).join("; ")}${more})`;
  }

  /** @param used the splits of which rows are read */
  #leftOut(used: readonly string[]): string[] {
    const others = [...this.#listings].filter(([split]) => !used.includes(split));
    return others.map(([split, { count }]) => `${count} pictures of the split "${split}" left out`);
  }

  #notes(): string[] {
    const notes = this.#bad.length > 0 ? [this.#badRows("left out")] : [];
    if (this.#repeated > 0) notes.push(`${this.#repeated} repeated row${this.#repeated === 1 ? "" : "s"} counted once`);
    if (this.#unused.length > 0) {
      const names = this.#unused.slice(0, SHOWN).map((name) => quoted(name, LONGEST));
      notes.push(`columns not used: ${names.join(", ")}${this.#unused.length > SHOWN ? ", …" : ""}`);
    }
    if (this.#inBoth > 0) notes.push(`${this.#inBoth} picture${this.#inBoth === 1 ? "" : "s"} in several splits`);
    return notes;
  }
}

/** A row's label; of columns of 0 and 1 all that are set. */
function labelsIn(cells: readonly string[], { labels, areFlags, header }: Columns): string[] {
  if (!areFlags) return [className(cells[labels[0] as number] ?? "")];
  return labels.filter((at) => isSet(cells[at])).map((at) => className(header?.[at] ?? ""));
}

/** All different cells of the labels' column. */
function labelCellsOf(table: Table, { labels, header }: Columns): string[] {
  const [at = 0] = labels;
  const cells = new Set<string>();
  table.eachRow((row) => cells.add(row.cells[at] ?? ""));
  if (header) cells.delete(header[at] ?? "");
  return [...cells];
}
