/** What the first picture of a TIFF file says of its samples: libvips keeps some of it to itself. */
export interface TiffSamples {
  /** Bits of one. */
  readonly bits: number;
  /** How many a pixel has. */
  readonly count: number;
  /** What colours they are. */
  readonly photometric: number;
  /** What the first one beside the colours is: 1 and 2 are transparency; undefined where nothing is said. */
  readonly extra: number | undefined;
  /** What the first one is: 1 unsigned, 2 signed, 3 floating-point, 5 and 6 complex. */
  readonly kind: number;
  /** Where the file says whether they are signed, 2 bytes for each. */
  readonly formats: readonly number[];
  readonly littleEndian: boolean;
}

const TAG = { bits: 258, photometric: 262, count: 277, extra: 338, format: 339 };
/** Bytes of a value by its type: SHORT, LONG, LONG8. */
const SIZES: Readonly<Record<number, number>> = { 3: 2, 4: 4, 16: 8 };
const MOST_ENTRIES = 1000;
const MOST_VALUES = 64;

/** @returns undefined where the file is damaged: then a decoder says so */
export function tiffSamples(bytes: Uint8Array): TiffSamples | undefined {
  try {
    return read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function read(view: DataView): TiffSamples {
  const littleEndian = view.getUint16(0) === 0x4949;
  const big = view.getUint16(2, littleEndian) === 43;
  const number = (at: number, size: number) => {
    if (size === 2) return view.getUint16(at, littleEndian);
    return size === 4 ? view.getUint32(at, littleEndian) : Number(view.getBigUint64(at, littleEndian));
  };
  const word = big ? 8 : 4;
  const directory = number(big ? 8 : 4, word);
  const entries = Math.min(MOST_ENTRIES, number(directory, big ? 8 : 2));
  /** Where the values of each tag are. */
  const places = new Map<number, { readonly at: number; readonly size: number; readonly count: number }>();
  for (let i = 0; i < entries; i++) {
    const entry = directory + (big ? 8 : 2) + i * (big ? 20 : 12);
    const size = SIZES[view.getUint16(entry + 2, littleEndian)];
    if (size === undefined) continue;
    const count = number(entry + 4, word);
    const inside = entry + 4 + word;
    const at = size * count <= word ? inside : number(inside, word);
    places.set(view.getUint16(entry, littleEndian), { at, size, count: Math.min(count, MOST_VALUES) });
  }
  const first = (tag: number) => {
    const place = places.get(tag);
    return place && place.count > 0 ? number(place.at, place.size) : undefined;
  };
  const formats = places.get(TAG.format);
  return {
    bits: first(TAG.bits) ?? 1,
    count: first(TAG.count) ?? 1,
    photometric: first(TAG.photometric) ?? 1,
    extra: first(TAG.extra),
    kind: first(TAG.format) ?? 1,
    formats: Array.from({ length: formats?.size === 2 ? formats.count : 0 }, (_, i) => (formats?.at ?? 0) + 2 * i),
    littleEndian,
  };
}
