import { MOST_CHANNELS } from "../../settings/channels.js";
import { InputError } from "../../base/errors.js";
import { type TiffSamples, tiffSamples } from "./tiff-header.js";

const CMYK = 5;
const LAB = [8, 9, 10];
/** Values of ExtraSamples: premultiplied or not. */
const TRANSPARENCY = [1, 2];
/** Bits of numbers that libvips reads, floating-point ones of 32 alone. */
const BITS = [1, 2, 4, 8, 16, 32];
const FLOAT = 3;
const COMPLEX = [5, 6];

/**
 * What a TIFF file says of its samples; undefined where it is damaged.
 *
 * @throws InputError where they are none that knack reads
 */
export function readableSamples(where: string, bytes: Uint8Array): TiffSamples | undefined {
  const samples = tiffSamples(bytes);
  if (samples === undefined) return undefined;
  const { bits, photometric, kind } = samples;
  if (LAB.includes(photometric)) throw new InputError(`${where} is in LAB colours: convert it to RGB`);
  if (COMPLEX.includes(kind)) throw new InputError(`${where} holds complex numbers: convert it to real ones`);
  if (!BITS.includes(bits) || (kind === FLOAT && bits !== 32)) {
    const to = kind === FLOAT || bits > 16 ? 32 : 16;
    throw new InputError(
      `${where} holds ${kind === FLOAT ? "floating-point " : ""}numbers of ${bits} bits: convert it to ${to}`,
    );
  }
  return samples;
}

/**
 * Whether the sample beside the colours of a TIFF file is another than transparency, such as near infrared: it is to be left out.
 *
 * @throws InputError where its samples are none that knack reads
 */
export function hasFurtherSample(where: string, bytes: Uint8Array): boolean {
  const samples = readableSamples(where, bytes);
  if (samples === undefined) return false;
  const { count, photometric, extra } = samples;
  const colours = photometric === CMYK ? 4 : count < 3 ? 1 : 3;
  if (count > colours + 1) {
    const kept = count <= MOST_CHANNELS ? `, or train with --channels ${count}` : "";
    throw new InputError(
      `${where} has ${count} bands: make it a picture of one (grey) or three (red, green and blue)${kept}`,
    );
  }
  return count > colours && (extra === undefined || !TRANSPARENCY.includes(extra));
}

/** The same file, its signed numbers called unsigned: libvips takes negative ones of 16 bits for 0. */
export function asUnsigned(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  const { formats = [], littleEndian } = tiffSamples(bytes) ?? {};
  for (const at of formats) new DataView(copy.buffer).setUint16(at, 1, littleEndian);
  return copy;
}
