import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { systemReason } from "../../../base/atomic-file.js";
import { InputError } from "../../../base/errors.js";

const BLOCK = 512;
/** Holds a picture's header, and mostly the label and the next header behind a picture too: one read for each picture. */
const WINDOW = 8 * BLOCK;
/** Names and labels are read, pictures are not. */
const MOST_TEXT = 2 ** 24;

/** A file inside a tar file. */
export interface TarMember {
  readonly name: string;
  /** Its first byte in the tar file. */
  readonly start: number;
  readonly length: number;
  /** Its bytes as text. */
  text(): string;
}

/** Whether the end of a tar file is marked, as most writers do; where not, it may have been cut between two members. */
export type TarEnd = "marked" | "unmarked";

const COMPRESSED: readonly [string, string][] = [
  ["\x1f\x8b", "gunzip"],
  ["\x28\xb5\x2f\xfd", "zstd -d"],
  ["BZh", "bunzip2"],
  ["\xfd7zXZ", "unxz"],
];

/**
 * The regular files in a tar file (ustar, GNU or pax), by their headers only: what lies between is not read.
 *
 * npm's tar packages are streams through all bytes, hundreds of gigabytes for a large data set, and `tar`'s header class takes
 * 4 us a header, twelve seconds for 1.3 million pictures with labels. Hence this reader, of names, sizes and types only.
 *
 * @throws InputError where the file is compressed, damaged or cut off
 */
export function* tarMembers(path: string): Generator<TarMember, TarEnd, undefined> {
  using file = new WindowedFile(path);
  const fail = (what: string) => new InputError(`${JSON.stringify(path)} ${what}`);
  let longName: string | undefined;
  let longSize: number | undefined;
  for (let at = 0; ; ) {
    const header = file.read(at, BLOCK);
    if (at === 0) {
      const head = header.toString("latin1", 0, 8);
      const tool = COMPRESSED.find(([magic]) => head.startsWith(magic))?.[1];
      if (tool) throw fail(`is compressed, so that no picture in it can be reached by itself: unpack it with ${tool}`);
    }
    // The end is marked by empty blocks; some writers leave them out.
    if (header.length === 0) return "unmarked";
    if (header.length === BLOCK && header.every((byte) => byte === 0)) return "marked";
    if (header.length < BLOCK) throw fail("is cut off");
    if (!checksumFits(header)) throw fail(`is no tar file, or damaged at byte ${at}`);
    const start = at + BLOCK;
    const type = String.fromCharCode(header[156] as number);
    const special = "LKxg".includes(type);
    const length = (special ? undefined : longSize) ?? numberAt(header, 124, 12);
    at = start + Math.ceil(length / BLOCK) * BLOCK;
    if (!(length >= 0) || file.size < start + length) throw fail(`is cut off, or damaged at byte ${start - BLOCK}`);

    const text = () => file.read(start, length).toString();
    if (type === "L") longName = text().replace(/\0.*$/s, "");
    else if (type === "x") {
      const records = paxRecords(file.read(start, length));
      longName = records.get("path") ?? longName;
      if (records.has("size")) longSize = Number(records.get("size"));
    }
    if (special) continue;
    if (type === "0" || type === "\0" || type === "7") yield { name: longName ?? nameIn(header), start, length, text };
    longName = longSize = undefined;
  }
}

/** Reads here and there in a file, through a window that is moved as little as can be. */
class WindowedFile implements Disposable {
  readonly #descriptor: number;
  readonly size: number;
  #window = Buffer.alloc(WINDOW);
  #start = 0;
  #end = 0;

  constructor(private readonly path: string) {
    this.#descriptor = this.#explained(() => openSync(path, "r"));
    this.size = this.#explained(() => fstatSync(this.#descriptor).size);
  }

  /** The bytes from `position`, fewer at the end of the file. Valid until the next call. */
  read(position: number, length: number): Buffer {
    if (position < this.#start || position + length > this.#end) {
      if (length > MOST_TEXT)
        throw new InputError(`${JSON.stringify(this.path)}: a name or label of ${length} bytes at ${position}`);
      if (length > this.#window.length) this.#window = Buffer.alloc(length);
      const read = this.#explained(() => readSync(this.#descriptor, this.#window, 0, this.#window.length, position));
      [this.#start, this.#end] = [position, position + read];
    }
    const from = position - this.#start;
    return this.#window.subarray(from, Math.min(from + length, this.#end - this.#start));
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #explained<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new InputError(`cannot read ${JSON.stringify(this.path)}: ${systemReason(error)}`, error);
    }
  }
}

/** The sum of the header's bytes, where its own place counts as spaces. */
function checksumFits(header: Buffer): boolean {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i] as number;
  return sum === numberAt(header, 148, 8);
}

/** Octal digits; GNU's large numbers are big-endian, marked by the first bit. */
function numberAt(header: Buffer, at: number, length: number): number {
  if (((header[at] as number) & 0x80) === 0) return Number.parseInt(textAt(header, at, length).trim() || "0", 8);
  let value = (header[at] as number) & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + (header[at + i] as number);
  return value;
}

function nameIn(header: Buffer): string {
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? textAt(header, 345, 155) : "";
  return (prefix && `${prefix}/`) + textAt(header, 0, 100);
}

function textAt(header: Buffer, at: number, length: number): string {
  const end = header.indexOf(0, at);
  return header.toString("utf8", at, end < 0 ? at + length : Math.min(end, at + length));
}

/** "LENGTH KEY=VALUE\n", where the length in bytes is that of the whole record. */
function paxRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(bytes.toString("latin1", at, at + 20), 10);
    if (!(length > 0)) break;
    const [, key, value] = /^\d+ ([^=]*)=(.*)\n$/s.exec(bytes.toString("utf8", at, at + length)) ?? [];
    if (key !== undefined && value !== undefined) records.set(key, value);
    at += length;
  }
  return records;
}
