import { InputError } from "../../../base/errors.js";
import { quoted } from "../../../base/printable.js";
import { severalLabels } from "./class-labels.js";

/** What separates the labels of one cell; the first that occurs. */
const SEPARATORS = ["|", ";", ","];
/** A list as Python and JSON write it: "['cat', 'dog']" */
const BRACKETS = /^\[(.*)\]$/s;
const QUOTES = /^(["'])(.*)\1$/s;

/** Takes a cell apart: none, one or several labels, each once. */
export type LabelSplitter = (cell: string) => string[];

/**
 * How labels are written in one column, told by looking: "cat|dog", "cat;dog", "cat, dog", "['cat', 'dog']", or "cat dog" where the words of one
 * cell are labels of others.
 *
 * @param cells all different ones of the column
 * @param where the file, for the message
 * @throws InputError where two separators occur
 */
export function labelSplitterFor(cells: readonly string[], where: string): LabelSplitter {
  const lists = cells.map((cell) => withoutBrackets(cell));
  const separator = SEPARATORS.find((each) => lists.some((list) => list.includes(each)));
  const between = separator ?? (severalLabels(lists.filter((list) => list !== "")) === undefined ? undefined : /\s+/);
  const split: LabelSplitter = (cell) => {
    const list = withoutBrackets(cell);
    const parts = (between === undefined ? [list] : list.split(between)).map((part) => withoutQuotes(part.trim()));
    return [...new Set(parts.filter((part) => part !== ""))];
  };
  const known = new Set(cells.flatMap(split));
  for (const other of SEPARATORS) {
    if (separator === undefined || other === separator) continue;
    const torn = [...known].find(
      (label) => label.includes(other) && partsOf(label, other).every((part) => known.has(part)),
    );
    if (torn === undefined) continue;
    throw new InputError(
      `${where}: labels are separated by ${quoted(separator)} in some rows and by ${quoted(other)} in others, as ${quoted(torn, 200)}: write all by one of them`,
    );
  }
  return split;
}

function partsOf(label: string, separator: string): string[] {
  return label.split(separator).map((part) => part.trim());
}

function withoutBrackets(cell: string): string {
  return (BRACKETS.exec(cell)?.[1] ?? cell).trim();
}

function withoutQuotes(part: string): string {
  return QUOTES.exec(part)?.[2] ?? part;
}
