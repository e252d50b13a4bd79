import type { InputError } from "../../base/errors.js";
import { damagedFile } from "./damaged-file.js";
import { quoted } from "../../base/printable.js";

const WINDOW_BYTES = 65536;
const MAX_LINE_BYTES = 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Where a pickle's bytes come from: an open file, or what was read of it. */
interface ByteSource {
  /** The file's name, for messages. */
  readonly path: string;
  read(position: number, length: number): Buffer;
}

/** The bytes of one pickle after another, read forwards. Numbers are little-endian but for the float. */
export class PickleInput {
  readonly #source: ByteSource;
  readonly #end: number;
  #window: Buffer = Buffer.alloc(0);
  /** Where the window starts in the file, and where in the window the next byte is. */
  #windowStart: number;
  #next = 0;

  constructor(source: ByteSource, start: number, end: number) {
    this.#source = source;
    this.#windowStart = start;
    this.#end = end;
  }

  /** Where in the file the next byte is. */
  get position(): number {
    return this.#windowStart + this.#next;
  }

  broken(what: string): InputError {
    return damagedFile(this.#source.path, what);
  }

  /** The next bytes; valid until the next call. */
  take(length: number): Buffer {
    if (length > this.#window.length - this.#next) this.#refill(length);
    const start = this.#next;
    this.#next += length;
    return this.#window.subarray(start, this.#next);
  }

  uint8(): number {
    return this.take(1).readUInt8();
  }

  uint16(): number {
    return this.take(2).readUInt16LE();
  }

  int32(): number {
    return this.take(4).readInt32LE();
  }

  uint32(): number {
    return this.take(4).readUInt32LE();
  }

  /** A length: what is beyond exact numbers is beyond the file too. */
  uint64(): number {
    return Number(this.take(8).readBigUInt64LE());
  }

  /** Big-endian, as pickles have it. */
  float64(): number {
    return this.take(8).readDoubleBE();
  }

  text(length: number): string {
    const bytes = this.take(length);
    const text = decoded(bytes);
    if (text !== undefined) return text;
    throw this.broken(`its pickle holds a text that is not UTF-8: ${quoted(bytes.toString("latin1", 0, 40))}`);
  }

  /** Python 2 had one type for text and bytes. */
  python2String(length: number): string | Uint8Array {
    const bytes = this.take(length);
    return decoded(bytes) ?? Uint8Array.from(bytes);
  }

  /** Up to the next line feed, which is passed over. */
  line(): string {
    const start = this.position;
    const bytes: number[] = [];
    for (let byte = this.uint8(); byte !== 0x0a; byte = this.uint8()) {
      if (bytes.push(byte) > MAX_LINE_BYTES) throw this.broken(`its pickle has an endless line at byte ${start}`);
    }
    return Buffer.from(bytes).toString();
  }

  #refill(length: number): void {
    const start = this.position;
    const left = this.#end - start;
    if (length > left) {
      throw this.broken(`its pickle is cut off at byte ${this.#end}, where ${length - left} more are expected`);
    }
    this.#window = this.#source.read(start, Math.min(left, Math.max(length, WINDOW_BYTES)));
    this.#windowStart = start;
    this.#next = 0;
  }
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
