import { InputError } from "../../base/errors.js";
import { rawPixels } from "./raw-pixels.js";
import sharp, { type SharpOptions } from "./sharp.js";
import { asUnsigned } from "./tiff-colours.js";

/** The values that are black and white in pictures of more than 8 bits: 16-bit and floating-point ones. */
export type Intensity = readonly [min: number, max: number];

/** A decoded picture of more than 8 bits. */
export interface DeepPicture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** [height, width, channels], as they are stored; transparency is the last channel of two or four. */
  readonly values: Float32Array;
  /** What black and white are where nobody says: those of its type for 16 bits, else 0 and 255. */
  readonly natural: Intensity;
}

/** What a picture, or a set of them, holds: its least and largest number. */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

/** Of 256 levels: a picture that lies in so few of them at one end is black or white to the eye, and to a network. */
const LEVELS = 16;
const WIDEST = 255;
const OF_16_BITS: Intensity = [0, 65535];
const OF_BYTES: Intensity = [0, WIDEST];
const SIGNED_16_BITS = "short";

/** What libvips makes of a picture's header. */
export interface StoredForm {
  readonly space: string;
  readonly depth: string;
}

/** Whether a picture has more than 8 bits, in colours that are scaled: grey and RGB. */
export function isDeep({ space, depth }: StoredForm): boolean {
  return depth !== "uchar" && space !== "cmyk";
}

/** @param further whether the last channel is to be left out */
export async function deepPicture(
  where: string,
  bytes: Uint8Array,
  { space, depth }: StoredForm,
  further: boolean,
  options: SharpOptions,
): Promise<DeepPicture> {
  const signed = depth === SIGNED_16_BITS;
  const original = sharp(signed ? asUnsigned(bytes) : bytes, options);
  // Of signed numbers libvips does not know that they are of 16 bits.
  const kept = signed ? (await original.metadata()).space : space;
  const stored = further ? original.removeAlpha() : original;
  const inStored = stored.pipelineColourspace(kept).toColourspace(kept);
  const { data, width, height, channels } = await rawPixels(inStored, "float");
  const values = new Float32Array(data.buffer, data.byteOffset, data.length / Float32Array.BYTES_PER_ELEMENT);
  if (signed) for (const [i, value] of values.entries()) if (value > 32767) values[i] = value - 65536;
  const natural = naturalOf(depth);
  if (channels % 2 === 0 && natural !== OF_16_BITS) {
    throw new InputError(`${where} has transparency beside numbers that are not of 16 bits: save it without`);
  }
  return { width, height, channels, values, natural };
}

/** What black and white are in numbers of a type where nobody says. */
export function naturalOf(depth: string): Intensity {
  return depth === "ushort" ? OF_16_BITS : OF_BYTES;
}

/** Of its numbers but for transparency and what is not finite; undefined where there are none. */
export function rangeOf({ values, channels }: DeepPicture): ValueRange | undefined {
  const colours = channels - 1 + (channels % 2);
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [i, value] of values.entries()) {
    if (i % channels >= colours || !Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? { min, max } : undefined;
}

/** What becomes of a range of values without an intensity, where that is no picture: "black", "white" or "cut off". */
export function lossOf({ min, max }: ValueRange, [black, white]: Intensity): string | undefined {
  if (min < black || max > white) return "cut off";
  if (!(max > min)) return undefined; // a picture of one colour may be black
  const level = (value: number) => ((value - black) / (white - black)) * WIDEST;
  if (level(max) < LEVELS) return "black";
  return level(min) > WIDEST - LEVELS ? "white" : undefined;
}

/** Whether a picture becomes one level, none of its different values being beyond the intensity: then it is of another kind. */
export function vanishes({ min, max }: ValueRange, [black, white]: Intensity): boolean {
  if (!(max > min) || min < black || max > white) return false;
  return (max - min) * WIDEST * 2 < white - black;
}

/** [height, width, channels without transparency] in 8 bits, over white. */
export function levelsOf({ values, channels }: DeepPicture, [black, white]: Intensity): Uint8Array {
  const colours = channels - 1 + (channels % 2);
  const scale = WIDEST / (white - black);
  const levels = new Uint8Array((values.length / channels) * colours);
  for (let from = 0, to = 0; from < values.length; from += channels) {
    const shown = colours < channels ? (values[from + colours] as number) / OF_16_BITS[1] : 1;
    for (let c = 0; c < colours; c++) {
      const level = Math.min(WIDEST, Math.max(0, ((values[from + c] as number) - black) * scale)) || 0; // what is no number is black
      levels[to++] = Math.floor(WIDEST + (level - WIDEST) * shown + 0.5);
    }
  }
  return levels;
}

/** A number of a range, short enough for a message and exact enough for an option. */
export function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}
