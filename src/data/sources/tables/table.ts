import { isUtf8 } from "node:buffer";
import { CsvError } from "csv-parse";
import { parse } from "csv-parse/sync";
import { InputError } from "../../../base/errors.js";
import { readDataFile } from "../read-files.js";

/** A row of a table. */
export interface TableRow {
  readonly cells: readonly string[];
  /** The line of the file in which it ends, from 1. */
  readonly line: number;
}

/** Of equal ones the first: commas are in texts more often than the others. */
const SEPARATORS = ["\t", ";", ","];
/** Rows that tell what separates columns. */
const ROWS_LOOKED_AT = 20;

/** A file of rows, separated by commas, semicolons or tabs, in UTF-8 or UTF-16. Cells are without spaces around them. */
export class Table {
  readonly #bytes: Buffer;
  readonly #separator: string;

  /** @throws InputError where it cannot be read, or is in another encoding */
  constructor(readonly file: string) {
    const bytes = utf8(readDataFile(file), file);
    const [declaration, declared] = /^sep=([^\r\n])/.exec(bytes.toString("latin1", 0, 6)) ?? []; // Excel's
    this.#bytes = bytes.subarray(declaration?.length ?? 0);
    this.#separator = declared ?? this.#separatorFound();
  }

  /** @throws InputError where it is no table */
  firstRows(count: number): TableRow[] {
    const rows: TableRow[] = [];
    this.#parse(this.#separator, count, (row) => rows.push(row));
    return rows;
  }

  /** Hands over row by row: a million of them would fill the memory. @throws InputError as `firstRows`, and what `take` throws */
  eachRow(take: (row: TableRow) => void): void {
    this.#parse(this.#separator, undefined, take);
  }

  /** The one by which most of the first rows have the same number of columns. */
  #separatorFound(): string {
    const scores = SEPARATORS.map((separator) => {
      const widths: number[] = [];
      try {
        this.#parse(separator, ROWS_LOOKED_AT, ({ cells }) => widths.push(cells.length));
      } catch {
        return 0; // quotes in wrong places
      }
      const often = new Map<number, number>();
      for (const width of widths) if (width > 1) often.set(width, (often.get(width) ?? 0) + 1);
      return Math.max(0, ...often.values());
    });
    const best = Math.max(...scores);
    return best === 0 ? "," : (SEPARATORS[scores.indexOf(best)] as string);
  }

  #parse(separator: string, to: number | undefined, take: (row: TableRow) => void): void {
    try {
      parse(this.#bytes, {
        delimiter: separator,
        record_delimiter: ["\r\n", "\n", "\r"],
        // An empty cell between two tabs is no space.
        trim: separator !== "\t",
        skip_empty_lines: true,
        skip_records_with_empty_values: true,
        relax_column_count: true,
        ...(to !== undefined && { to }),
        on_record: (cells: string[], { lines }) => void take({ cells: cells.map((cell) => cell.trim()), line: lines }),
      });
    } catch (error) {
      if (!(error instanceof CsvError)) throw error;
      throw new InputError(`${this.file} is no CSV file: ${error.message.split("\n", 1)[0]}`, error);
    }
  }
}

/** The text in UTF-8, without a byte order mark. */
function utf8(bytes: Buffer, file: string): Buffer {
  if (["\xff\xfe\0\0", "\0\0\xfe\xff"].includes(bytes.toString("latin1", 0, 4))) {
    throw new InputError(`${file} is UTF-32: save it as "CSV UTF-8", or convert it, as by iconv -f UTF-32 -t UTF-8`);
  }
  const utf16 = utf16Of(bytes);
  if (utf16 !== undefined) return Buffer.from(new TextDecoder(utf16).decode(bytes));
  if (!isUtf8(bytes)) {
    throw new InputError(
      `${file} is not UTF-8, but perhaps Windows-1252, GBK or Shift-JIS: save it as "CSV UTF-8", or convert it, as by ` +
        "iconv -f GB18030 -t UTF-8",
    );
  }
  return bytes.subarray(bytes.toString("latin1", 0, 3) === "\xef\xbb\xbf" ? 3 : 0);
}

/** UTF-16 is told by its mark or, since slashes, separators and line ends are ASCII, by zeros in every other place. */
function utf16Of(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  const head = bytes.subarray(0, 4096);
  const zeros = [0, 0];
  for (const [i, byte] of head.entries()) if (byte === 0) zeros[i % 2] = (zeros[i % 2] as number) + 1;
  const [even, odd] = zeros as [number, number];
  if (Math.max(even, odd) < head.length / 16) return undefined;
  return odd > even ? "utf-16le" : "utf-16be";
}
