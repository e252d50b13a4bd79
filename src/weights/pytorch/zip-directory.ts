/**
 * The directory of a zip file (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), zip64 too. Only stored entries are
 * read: so PyTorch writes them, and what is not compressed cannot grow. No package is used because none reads synchronously
 * at positions of a file that is too large for memory.
 */
import { crc32 } from "node:zlib";
import { damagedFile } from "./damaged-file.js";
import type { OpenFile } from "../open-file.js";
import { quoted } from "../../base/printable.js";

const LOCAL = { signature: 0x04034b50, bytes: 30 };
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const END = { signature: 0x06054b50, bytes: 22 };
const LOCATOR64 = { signature: 0x07064b50, bytes: 20 };
const END64 = { signature: 0x06064b50, bytes: 56 };

const MAX_COMMENT_BYTES = 65535;
const MAX_DIRECTORY_BYTES = 2 ** 26;
const STORED = 0;
const ENCRYPTED = 1;

/** One stored file: its local header starts at `start`, and the next thing in the zip file at `limit`. */
interface Entry {
  readonly name: string;
  readonly size: number;
  readonly checksum: number;
  /** Neither compressed nor encrypted. */
  readonly isStored: boolean;
  readonly start: number;
  limit: number;
}

export class ZipDirectory {
  readonly #file: OpenFile;
  readonly #entries = new Map<string, Entry>();

  /** @throws InputError where the directory is damaged or names an entry twice */
  constructor(file: OpenFile) {
    this.#file = file;
    const directory = findDirectory(file);
    for (const entry of entriesOf(file, directory)) {
      if (this.#entries.has(entry.name)) throw damagedFile(file.path, `it holds ${quoted(entry.name)} twice`);
      this.#entries.set(entry.name, entry);
    }
    if (this.#entries.size !== directory.count) {
      throw damagedFile(file.path, `its directory announces ${directory.count} entries and has ${this.#entries.size}`);
    }
    let limit = directory.start;
    for (const entry of [...this.#entries.values()].sort((a, b) => b.start - a.start)) {
      entry.limit = limit;
      limit = entry.start;
    }
  }

  /** In the directory's order. */
  names(): Iterable<string> {
    return this.#entries.keys();
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * An entry's bytes, checked against its checksum unless that is 0: torch.save can be told to leave it out.
   *
   * @throws InputError where there is none, or it is compressed, encrypted, damaged or overlaps another
   */
  read(name: string): Buffer<ArrayBuffer> {
    const { start, limit, size, checksum, isStored } = this.#entry(name);
    const fault = (what: string) => damagedFile(this.#file.path, `the entry ${quoted(name)} ${what}`);
    if (!isStored) throw fault("is compressed, which torch.save never does");
    const header = start + LOCAL.bytes <= limit ? this.#file.read(start, LOCAL.bytes) : undefined;
    if (header?.readUInt32LE(0) !== LOCAL.signature || header.readUInt16LE(8) !== STORED) {
      throw fault("does not start where the directory says");
    }
    const begin = start + LOCAL.bytes + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (begin + size > limit) throw fault(`of ${size} bytes reaches into what follows it`);
    const bytes = this.#file.read(begin, size);
    if (checksum !== 0 && crc32(bytes) !== checksum) throw fault("is damaged: its checksum is wrong");
    return bytes;
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw damagedFile(this.#file.path, `it has no entry ${quoted(name)}`);
    return entry;
  }
}

interface DirectoryPlace {
  readonly start: number;
  readonly size: number;
  readonly count: number;
}

function findDirectory(file: OpenFile): DirectoryPlace {
  const tail = file.read(
    Math.max(0, file.size - END.bytes - MAX_COMMENT_BYTES),
    Math.min(file.size, END.bytes + MAX_COMMENT_BYTES),
  );
  let at = tail.length - END.bytes;
  const isEnd = () =>
    tail.readUInt32LE(at) === END.signature && at + END.bytes + tail.readUInt16LE(at + 20) === tail.length;
  while (at >= 0 && !isEnd()) at--;
  if (at < 0) throw damagedFile(file.path, "a zip file without a directory at its end: it is cut off");

  const end = file.size - tail.length + at;
  const place = zip64Place(file, end) ?? {
    start: tail.readUInt32LE(at + 16),
    size: tail.readUInt32LE(at + 12),
    count: tail.readUInt16LE(at + 10),
  };
  if (place.size > MAX_DIRECTORY_BYTES || place.start + place.size > end) {
    throw damagedFile(file.path, `its directory of ${place.size} bytes at byte ${place.start} is not inside the file`);
  }
  return place;
}

function zip64Place(file: OpenFile, end: number): DirectoryPlace | undefined {
  if (end < LOCATOR64.bytes) return undefined;
  const locator = file.read(end - LOCATOR64.bytes, LOCATOR64.bytes);
  if (locator.readUInt32LE(0) !== LOCATOR64.signature) return undefined;
  const position = Number(locator.readBigUInt64LE(8));
  const record = position + END64.bytes <= end ? file.read(position, END64.bytes) : undefined;
  if (record?.readUInt32LE(0) !== END64.signature) {
    throw damagedFile(file.path, "its zip64 directory is not where it should be");
  }
  return {
    start: Number(record.readBigUInt64LE(48)),
    size: Number(record.readBigUInt64LE(40)),
    count: Number(record.readBigUInt64LE(32)),
  };
}

function* entriesOf(file: OpenFile, directory: DirectoryPlace): Iterable<Entry> {
  const bytes = file.read(directory.start, directory.size);
  let at = 0;
  while (at < bytes.length) {
    const isWhole = at + CENTRAL.bytes <= bytes.length && bytes.readUInt32LE(at) === CENTRAL.signature;
    const nameEnd = isWhole ? at + CENTRAL.bytes + bytes.readUInt16LE(at + 28) : Number.POSITIVE_INFINITY;
    const extraEnd = isWhole ? nameEnd + bytes.readUInt16LE(at + 30) : Number.POSITIVE_INFINITY;
    if (extraEnd > bytes.length) throw damagedFile(file.path, "its directory is damaged");

    const name = bytes.toString("utf8", at + CENTRAL.bytes, nameEnd);
    const wide = zip64Fields(bytes.subarray(nameEnd, extraEnd));
    const field = (value: number) => (value === 0xffffffff ? (wide.next().value ?? value) : value);
    const size = field(bytes.readUInt32LE(at + 24));
    const stored = field(bytes.readUInt32LE(at + 20));
    const start = field(bytes.readUInt32LE(at + 42));
    const isStored =
      bytes.readUInt16LE(at + 10) === STORED && stored === size && (bytes.readUInt16LE(at + 8) & ENCRYPTED) === 0;
    yield { name, size, start, checksum: bytes.readUInt32LE(at + 16), isStored, limit: 0 };
    at = extraEnd + bytes.readUInt16LE(at + 32);
  }
}

/** The numbers of the zip64 extra field: size, stored size and start, but only those that do not fit their own field. */
function* zip64Fields(extra: Buffer): Generator<number, undefined> {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1) {
      for (let i = at + 4; i + 8 <= Math.min(end, extra.length); i += 8) yield Number(extra.readBigUInt64LE(i));
    }
    at = end;
  }
  return undefined;
}
