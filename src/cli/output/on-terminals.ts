import { inspect } from "node:util";
import wrapAnsi from "wrap-ansi";
import { canRedraw } from "./terminal.js";

/** Narrower terminals wrap by themselves: there is no room for words. */
const LEAST_COLUMNS = 40;
/** The longest beginning of a line, such as "  warmup           ", under which its other lines hang. */
const DEEPEST = 24;
/** What has codes for the terminal, such as a bar, is drawn already. */
const DRAWN = /[^\P{Cc}\n\t]/u;
/** Tables keep their lines, and so does what programs read. */
const UNTOUCHED = /[\u2500-\u257f]|^[{[]/;

type Colour = "yellow" | "green";

/** What is worth a look, wherever it stands. */
const COLOURED: readonly (readonly [RegExp, Colour])[] = [
  [/\(best\)/g, "green"],
  [/^(knack: |fold \d+: |\s*)?warning:/g, "yellow"],
];

/** From here on lines that are written to a terminal are wrapped at words, and coloured where it has colours (NO_COLOR: it has none). */
export function dressTerminals(): void {
  for (const stream of [process.stdout, process.stderr]) {
    if (!canRedraw(stream)) continue;
    const write = stream.write.bind(stream) as (chunk: unknown, ...others: unknown[]) => boolean;
    const dressed = (chunk: unknown, ...others: unknown[]) =>
      write(typeof chunk === "string" ? dress(chunk, stream.columns, stream.hasColors()) : chunk, ...others);
    stream.write = dressed as typeof stream.write;
  }
}

/** Text as a terminal of so many columns shows it. */
export function dress(text: string, columns: number, hasColours: boolean): string {
  if (DRAWN.test(text)) return text;
  const lines = text.split("\n").map((line) => {
    if (UNTOUCHED.test(line)) return line;
    return wrapped(hasColours ? coloured(line) : line, columns);
  });
  return lines.join("\n");
}

function coloured(line: string): string {
  return COLOURED.reduce((text, [words, colour]) => text.replace(words, (found) => painted(found, colour)), line);
}

function painted(text: string, colour: Colour): string {
  const [on, off] = inspect.colors[colour] as [number, number];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

/** "  warmup    a long text" goes on under "a long text", other lines a little further in than they begin. */
function wrapped(line: string, columns: number): string {
  if (columns < LEAST_COLUMNS || line.length <= columns) return line;
  const [lead = ""] = /^\s*/.exec(line) ?? [];
  const [head = lead] = /^\s*\S+\s{2,}/.exec(line) ?? [];
  const [start, hang] = head.length <= DEEPEST && head !== lead ? [head, head.length] : [lead, lead.length + 2];
  const [first = "", ...rest] = wrapAnsi(line.slice(start.length), columns - hang).split("\n");
  return [`${start}${first}`, ...rest.map((each) => `${" ".repeat(hang)}${each}`)].join("\n");
}
