import { quoted } from "../../../base/printable.js";
import { InputError } from "../../../base/errors.js";
import { PICTURE_NAME } from "../../pictures/picture-name.js";
import { isSplitName } from "../photos/split-names.js";
import type { PictureFinder } from "./picture-finder.js";
import type { TableRow } from "./table.js";

/** Where a table has what; counted from 0. */
export interface Columns {
  readonly path: number;
  /** The labels' column; or those of 0 and 1, one a class, whose names are the labels. */
  readonly labels: readonly number[];
  /** Whether they are of 0 and 1. */
  readonly areFlags: boolean;
  readonly split: number | undefined;
  /** What groups pictures, where that was asked for and is a column. */
  readonly group: number | undefined;
  /** Names of further columns, of which nothing is read. */
  readonly unused: readonly string[];
  /** The line of names, where the first row is one. */
  readonly header: readonly string[] | undefined;
}

/** Whether a cell of a column of 0 and 1, or of false and true, is set. */
export function isSet(cell: string | undefined): boolean {
  return Number(cell) === 1 || /^true$/i.test(cell ?? "");
}

/** Whether a cell says whether a picture is of its column's class. */
export function isFlag(cell: string | undefined): boolean {
  return FLAG.test(cell ?? "");
}

/** How a person names columns: by the name in the first row, or by number, from 1. */
export interface AskedColumns {
  readonly pathColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** The same, what may be the name of a column that groups pictures, and whether these may have several labels. */
export interface WantedColumns extends AskedColumns {
  readonly groupColumn?: string | undefined;
  readonly multiLabel?: boolean | undefined;
}

// Names without case, spaces and punctuation.
const PATH =
  /^((image|img|picture|photo|file)?(path|file|filename|filepath)s?|images?|imgs?|pictures?|photos?|(image|img|picture|photo)?(id|name))$/;
const LABEL =
  /^((class|true)?labels?|(true)?class(es)?|(class|label|category|species|target|breed)(names?|ids?)|categor(y|ies)|species|targets?|breeds?|y|dx|diagnosis)$/;
const SPLIT = /^(data)?(split|set|subset|partition)$/;
const INDEX = /^(|unnamed\d*|index)$/;
/** Whether a picture is of a column's class. */
const FLAG = /^([01](\.0*)?|true|false)$/i;
/** Rows of one class from which columns of 0 and 1 are labels: the others are told of by their lines. */
const MOST_OF = 0.9;

/**
 * Tells the columns apart by looking: the pictures' is the one whose values name pictures, the labels' the one named like that, the
 * only other, or columns of 0 and 1.
 *
 * @param rows the first ones of the table
 * @throws InputError that lists the columns, where that is not unique
 */
export function columnsOf(
  file: string,
  rows: readonly TableRow[],
  finder: PictureFinder,
  asked: WantedColumns,
): Columns {
  return new ColumnSearch(file, rows, finder, asked).columns();
}

class ColumnSearch {
  readonly #first: readonly string[];
  /** The first row's cells as names are compared. */
  readonly #names: readonly string[];
  readonly #others: readonly TableRow[];
  readonly #all: readonly number[];

  constructor(
    private readonly file: string,
    rows: readonly TableRow[],
    private readonly finder: PictureFinder,
    private readonly asked: WantedColumns,
  ) {
    this.#first = rows[0]?.cells ?? [];
    this.#names = this.#first.map((cell) => cell.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ""));
    // Two joined tables have their line of names twice.
    this.#others = rows.slice(1).filter(({ cells }) => cells.join("\0") !== this.#first.join("\0"));
    this.#all = [...Array(Math.max(0, ...rows.map(({ cells }) => cells.length))).keys()];
  }

  columns(): Columns {
    if (this.#all.length < 2) {
      throw new InputError(
        `${this.file} has one column: expected are a picture's path and its label, separated by a comma, semicolon or tab`,
      );
    }
    const path = this.#asked("path") ?? this.#pathColumn();
    const start = this.#first[path] ?? "";
    // A row whose picture is missing is still no line of names.
    let header = this.finder.find(start) === undefined && !PICTURE_NAME.test(start);
    const split = this.#splitColumn(path, header);
    const asked = this.#asked("label");
    const labels = asked === undefined ? this.#labelColumns(path, split, header) : [asked];
    const areFlags = labels.length > 1 || (this.asked.multiLabel === true && this.#isMostlyFlags(labels[0] ?? path));
    const known = [path, ...labels].some((at) => PATH.test(this.#nameAt(at)) || LABEL.test(this.#nameAt(at)));
    const [label = path] = labels;
    if (!known && labels.length === 1 && this.#values(label).includes(this.#first[label] ?? "")) header = false;
    const group = header ? this.#named(this.asked.groupColumn) : undefined;
    const used = [path, ...labels, split, group];
    const unused = this.#all.filter((at) => header && !used.includes(at) && !INDEX.test(this.#nameAt(at)));
    return {
      path,
      labels,
      areFlags,
      split,
      group,
      unused: unused.map((at) => this.#first[at] ?? ""),
      header: header ? this.#first : undefined,
    };
  }

  #asked(which: "path" | "label"): number | undefined {
    const name = this.asked[`${which}Column`];
    if (name === undefined) return undefined;
    const at = this.#named(name);
    if (at !== undefined) return at;
    if (/^\d+$/.test(name) && this.#all.includes(Number(name) - 1)) return Number(name) - 1;
    throw new InputError(
      `--${which}-column: ${this.file} has no column ${quoted(name)}: its columns are ${this.#list()}`,
    );
  }

  #named(name: string | undefined): number | undefined {
    const at = this.#first.findIndex((cell) => cell.toLowerCase() === name?.trim().toLowerCase());
    return at < 0 ? undefined : at;
  }

  #pathColumn(): number {
    const rows = this.#others.length > 0 ? this.#others : [{ cells: this.#first, line: 1 }];
    const hits = this.#all.map((at) => rows.filter(({ cells }) => this.finder.find(cells[at] ?? "")).length);
    const isLabel = (at: number) => LABEL.test(this.#nameAt(at)) && !PATH.test(this.#nameAt(at));
    const all = this.#all.filter((at) => (hits[at] as number) > rows.length / 2);
    const likely = all.length > 1 ? all.filter((at) => !isLabel(at)) : all;
    const named = likely.filter((at) => PATH.test(this.#nameAt(at)));
    const distinct = likely.filter((at) => new Set(this.#values(at)).size === this.#others.length);
    const withEnding = likely.filter((at) => rows.every(({ cells }) => PICTURE_NAME.test(cells[at] ?? "")));
    const chosen = [likely, withEnding, named, distinct].find((columns) => columns.length === 1)?.[0];
    if (chosen !== undefined) return chosen;
    if (likely.length > 1) throw this.#unclear("pictures", "path");

    // Few or none of the pictures are there: which they are is said row by row.
    const most = Math.max(...hits);
    const some = this.#all.filter((at) => hits[at] === most && most > 0);
    const endings = this.#all.filter((at) => rows.some(({ cells }) => PICTURE_NAME.test(cells[at] ?? "")));
    const byName = this.#all.filter((at) => PATH.test(this.#nameAt(at)) && !isLabel(at));
    const guess = [some, endings, byName].find((columns) => columns.length === 1)?.[0];
    if (guess !== undefined) return guess;
    throw new InputError(
      `${this.file}: in none of its columns, ${this.#list()}, are pictures below ${this.finder.root} named: ` +
        "say where they are by --images DIR, or which column it is by --path-column NAME",
    );
  }

  #splitColumn(path: number, header: boolean): number | undefined {
    const others = this.#all.filter((at) => at !== path);
    const named = header ? others.find((at) => this.#nameAt(at) === "split") : undefined;
    if (named !== undefined || others.length < 2) return named;
    return others.find((at) => {
      const values = header ? this.#values(at) : [...this.#values(at), this.#first[at] ?? ""];
      const given = values.filter((value) => value !== "");
      return given.filter(isSplitName).length > given.length / 2 && (!header || SPLIT.test(this.#nameAt(at)));
    });
  }

  #labelColumns(path: number, split: number | undefined, header: boolean): readonly number[] {
    const others = this.#all.filter((at) => at !== path && at !== split);
    if (this.asked.multiLabel) return this.#columnsOfSets(others, header);
    const named = header ? others.filter((at) => LABEL.test(this.#nameAt(at))) : [];
    const [only] = named.length > 0 ? named : others;
    if (named.length === 1 || others.length === 1) return [only as number];
    const filled = others.filter((at) => !header || !INDEX.test(this.#nameAt(at)));
    if (named.length === 0 && filled.length === 1) return filled;
    const flags = header ? others.filter((at) => this.#values(at).every((value) => FLAG.test(value))) : [];
    if (flags.length > 1 && this.#others.length > 0) {
      const set = ({ cells }: TableRow) => flags.filter((at) => isSet(cells[at])).length;
      const single = this.#others.filter((row) => set(row) === 1).length;
      if (single > MOST_OF * this.#others.length) return flags;
      if (this.#others.some((row) => set(row) > 1)) {
        throw new InputError(
          `${this.file} has several labels a picture, in columns of 0 and 1: give --multi-label to learn them all, or name the column of one class by --label-column NAME`,
        );
      }
    }
    throw this.#unclear("labels", "label");
  }

  /** Where pictures may have several labels: the one named like that, those of 0 and 1, or the only other. */
  #columnsOfSets(others: readonly number[], header: boolean): readonly number[] {
    const group = this.#named(this.asked.groupColumn);
    const filled = others.filter((at) => at !== group && (!header || !INDEX.test(this.#nameAt(at))));
    const flags = header ? filled.filter((at) => this.#isMostlyFlags(at)) : [];
    const lists = filled.filter((at) => !flags.includes(at));
    const named = header ? lists.filter((at) => LABEL.test(this.#nameAt(at))) : [];
    if (named.length === 1) return named;
    if (flags.length > 1) return flags;
    if (filled.length === 1) return filled;
    throw this.#unclear("labels", "label");
  }

  /** What is neither 0 nor 1 in such a column is said row by row. */
  #isMostlyFlags(at: number): boolean {
    const values = this.#values(at);
    return values.filter(isFlag).length > values.length / 2;
  }

  #unclear(what: string, option: string): InputError {
    return new InputError(
      `${this.file}: which column has the ${what} cannot be told from ${this.#list()}: say it by --${option}-column NAME`,
    );
  }

  #nameAt(at: number): string {
    return this.#names[at] ?? "";
  }

  /** Below the first row. */
  #values(at: number): string[] {
    return this.#others.map(({ cells }) => cells[at] ?? "");
  }

  #list(): string {
    return this.#all.map((at) => quoted(this.#first[at] ?? "")).join(", ");
  }
}
