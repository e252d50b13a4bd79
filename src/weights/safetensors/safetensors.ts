/**
 * The safetensors file format (https://huggingface.co/docs/safetensors): read and written here, because no maintained npm package does.
 *
 *     8 bytes   length H of the header, little-endian unsigned
 *     H bytes   JSON {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {"key": "text"}}
 *     the rest  the tensors' bytes, little-endian, row-major, end to end; offsets count from here
 */
import { InputError, KnackError } from "../../base/errors.js";
import type { RawTensor } from "../../tensor/raw-tensor.js";
import type { OpenFile } from "../open-file.js";
import { quoted } from "../../base/printable.js";

// From the widest to the narrowest element, in the order of the reference implementation: written in this order, after a
// header padded to 8 bytes, every tensor starts at a multiple of its own element size.
const FORMATS = [
  { dtype: "int64", code: "I64", itemSize: 8 },
  { dtype: "float64", code: "F64", itemSize: 8 },
  { dtype: "float32", code: "F32", itemSize: 4 },
  { dtype: "int32", code: "I32", itemSize: 4 },
  { dtype: "bfloat16", code: "BF16", itemSize: 2 },
  { dtype: "float16", code: "F16", itemSize: 2 },
  { dtype: "int16", code: "I16", itemSize: 2 },
  { dtype: "int8", code: "I8", itemSize: 1 },
  { dtype: "uint8", code: "U8", itemSize: 1 },
  { dtype: "bool", code: "BOOL", itemSize: 1 },
] as const;

type Format = (typeof FORMATS)[number];

const METADATA = "__metadata__";
const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 100_000_000;

/**
 * The bytes of a safetensors file with these tensors and, where given, free text metadata.
 * The order in the file is the reference implementation's: widest element first, then by name.
 *
 * @throws KnackError where a tensor's bytes do not fit its shape and dtype, or where the header grows past the format's 100 MB.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, RawTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const ordered = [...tensors]
    .map(([name, tensor]) => ({ name, tensor, rank: FORMATS.findIndex(({ dtype }) => dtype === tensor.dtype) }))
    .sort((a, b) => a.rank - b.rank || Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));

  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  let end = 0;
  for (const { name, tensor, rank } of ordered) {
    const { dtype, shape, data } = tensor;
    const format = FORMATS[rank];
    if (format === undefined || name === METADATA || byteSize(shape, format) !== data.byteLength) {
      throw new KnackError(
        `safetensors: cannot write tensor ${quoted(name)}: ${data.byteLength} bytes as ${dtype} [${shape.join(", ")}]`,
      );
    }
    const begin = end;
    end += data.byteLength;
    entries.push([name, { dtype: format.code, shape, data_offsets: [begin, end] }]);
  }

  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const headerLength = Math.ceil(json.byteLength / 8) * 8;
  if (headerLength > MAX_HEADER_BYTES) {
    throw new KnackError(
      `safetensors: the header would have ${headerLength} bytes, the format allows ${MAX_HEADER_BYTES}`,
    );
  }
  const file = new Uint8Array(LENGTH_BYTES + headerLength + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.set(json, LENGTH_BYTES);
  file.fill(0x20, LENGTH_BYTES + json.byteLength, LENGTH_BYTES + headerLength);
  let position = LENGTH_BYTES + headerLength;
  for (const { tensor } of ordered) {
    file.set(tensor.data, position);
    position += tensor.data.byteLength;
  }
  return file;
}

interface Decoded {
  readonly tensors: Map<string, RawTensor>;
  readonly metadata: Record<string, string>;
}

/** Whether a file that begins like this can be a safetensors file: a header of a possible length, which is an object. */
export function looksLikeSafetensors(begin: Buffer): boolean {
  return begin.length > LENGTH_BYTES && begin[LENGTH_BYTES] === 0x7b && begin.readBigUInt64LE() <= MAX_HEADER_BYTES;
}

/**
 * The tensors and metadata of a safetensors file, in the file's order. Checked like the reference implementation does, and
 * repeated names are refused too: JSON readers would silently keep one of them.
 *
 * A tensor's `data` is a view of `bytes` where it lies there at a multiple of its element size (always so in files written by
 * `encodeSafetensors` or the reference, read into a buffer of their own), and a copy where it does not.
 *
 * @param where the file's name, for messages
 * @throws InputError that names the file, and the tensor where there is one.
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): Decoded {
  return decode(where, bytes.byteLength, (position, length, itemSize) => {
    // No subarray: of a Buffer that would be another Buffer.
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + position, length);
    return view.byteOffset % itemSize === 0 ? view : Uint8Array.from(view);
  });
}

/** As `decodeSafetensors`, of a file of any size; each tensor gets a buffer of its own. */
export function readSafetensors(file: OpenFile): Decoded {
  return decode(file.path, file.size, (position, length) => new Uint8Array(file.read(position, length).buffer));
}

function decode(
  where: string,
  size: number,
  read: (position: number, length: number, itemSize: number) => Uint8Array,
): Decoded {
  const broken = (what: string) => new InputError(`${where} cannot be read as safetensors: ${what}`);
  if (size < LENGTH_BYTES) throw broken(`${size} bytes are fewer than the header length takes`);
  const headerLength = Buffer.from(read(0, LENGTH_BYTES, 1)).readBigUInt64LE();
  if (headerLength > MAX_HEADER_BYTES) {
    throw broken(`its first 8 bytes announce a header of ${headerLength} bytes, the format allows ${MAX_HEADER_BYTES}`);
  }
  const dataStart = LENGTH_BYTES + Number(headerLength);
  if (dataStart > size) throw broken(`its header ends at byte ${dataStart}, the file at byte ${size}`);
  const header = parseHeader(read(LENGTH_BYTES, Number(headerLength), 1), broken);
  const metadata = parseMetadata(header[METADATA], broken);
  const infos = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, info]) => ({ name, ...parseInfo(name, info, broken) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);

  const tensors = new Map<string, RawTensor>();
  let position = 0;
  for (const { name, format, shape, begin, end } of infos) {
    if (begin !== position) {
      throw broken(
        `tensor ${quoted(name)} starts at byte ${begin} of the data, expected ${position} (a gap or an overlap)`,
      );
    }
    if (end > size - dataStart) {
      throw broken(`tensor ${quoted(name)} ends at byte ${end} of the data, the data at byte ${size - dataStart}`);
    }
    tensors.set(name, { dtype: format.dtype, shape, data: read(dataStart + begin, end - begin, format.itemSize) });
    position = end;
  }
  if (dataStart + position !== size) {
    throw broken(`${size - dataStart - position} bytes after the last tensor belong to none`);
  }
  return { tensors, metadata };
}

/** Bytes of a tensor, or undefined where the shape is none or the size is beyond exact numbers. */
function byteSize(shape: readonly unknown[], format: Format): number | undefined {
  let size: number = format.itemSize;
  for (const dimension of shape) {
    if (!isCount(dimension)) return undefined;
    size *= dimension;
    if (!Number.isSafeInteger(size)) return undefined;
  }
  return size;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array, broken: (what: string) => InputError): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    throw broken("its header is not JSON");
  }
  if (!isObject(header)) throw broken("its header is not a JSON object");
  refuseWhatJsonHides(text, broken);
  return header;
}

/** What matters of JSON: where strings, objects and lists begin or end, and numbers. */
const TOKENS = /["{}[\]:]|[-\d][^\s,{}[\]]{0,30}/g;
const COUNTS = ["shape", "data_offsets"];

/**
 * Refuses what JSON.parse hides of a text that is JSON: a name, or a key of an entry, that is there twice, of which it keeps the last, and counts
 * that are not written as such: 16.0, 1e1, -0.
 */
function refuseWhatJsonHides(json: string, broken: (what: string) => InputError): void {
  const open: { readonly keys: Set<string>; key: string }[] = []; // objects and lists around this place, the outermost first, and the key in each
  let string = "";
  TOKENS.lastIndex = 0;
  for (let match = TOKENS.exec(json); match; match = TOKENS.exec(json)) {
    const [token] = match;
    const [tensor, entry] = open;
    if (token === "{" || token === "[") open.push({ keys: new Set(), key: "" });
    else if (token === "}" || token === "]") open.pop();
    else if (token === '"') {
      TOKENS.lastIndex = endOfString(json, match.index);
      string = json.slice(match.index, TOKENS.lastIndex);
    } else if (token === ":" && tensor && open.length <= 2) {
      const inner = entry ?? tensor;
      inner.key = JSON.parse(string);
      if (inner.keys.has(inner.key)) {
        throw broken(`its header has ${quoted(inner.key)} twice${entry ? ` for ${quoted(tensor.key)}` : ""}`);
      }
      inner.keys.add(inner.key);
    } else if (/^[-\d]/.test(token) && tensor && entry && COUNTS.includes(entry.key) && !/^\d+$/.test(token)) {
      throw broken(`tensor ${quoted(tensor.key)} has ${token} in its ${entry.key}: counts are written as 16 is`);
    }
  }
}

/** The position after the string that begins at `start`. No regular expression: strings of megabytes are too long for one. */
function endOfString(json: string, start: number): number {
  let i = start + 1;
  while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
  return i + 1;
}

function parseMetadata(value: unknown, broken: (what: string) => InputError): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isObject(value) || Object.values(value).some((text) => typeof text !== "string")) {
    throw broken(`its ${METADATA} is not an object of strings`);
  }
  return value as Record<string, string>;
}

function parseInfo(name: string, info: unknown, broken: (what: string) => InputError) {
  if (!isObject(info)) throw broken(`the header entry of tensor ${quoted(name)} is no object`);
  const { dtype, shape, data_offsets: offsets } = info;
  const format = FORMATS.find(({ code }) => code === dtype);
  if (format === undefined) {
    const known = FORMATS.map(({ code }) => code).join(", ");
    throw broken(`tensor ${quoted(name)} has dtype ${quoted(dtype)}, knack knows ${known}`);
  }
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? offsets : [];
  if (!isCount(begin) || !isCount(end) || begin > end) {
    throw broken(`tensor ${quoted(name)} has data_offsets ${quoted(offsets)}, expected [begin, end]`);
  }
  const size = Array.isArray(shape) ? byteSize(shape, format) : undefined;
  if (size !== end - begin) {
    throw broken(
      `tensor ${quoted(name)} has ${end - begin} bytes, which no ${format.code} of shape ${quoted(shape)} has`,
    );
  }
  return { format, shape: shape as number[], begin, end };
}
