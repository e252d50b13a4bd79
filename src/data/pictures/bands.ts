import { InputError } from "../../base/errors.js";
import { type DeepPicture, type Intensity, naturalOf, type StoredForm } from "./deep-picture.js";
import type { Picture } from "./picture-shape.js";
import { rawPixels } from "./raw-pixels.js";
import sharp, { type Sharp, type SharpOptions } from "./sharp.js";
import { asUnsigned } from "./tiff-colours.js";

/** The channels that are a picture's colours, where no bands are asked for. */
export function isColours(channels: number): boolean {
  return channels === 1 || channels === 3;
}

/**
 * A picture's own channels, as many as a network takes: the bands of a TIFF file, or colours and transparency, which is 255 in pictures
 * without it. Nothing is converted but numbers of more than 8 bits.
 *
 * @param form what libvips makes of it
 * @throws InputError where it has others
 */
export async function storedBands(
  where: string,
  bytes: Uint8Array,
  channels: number,
  form: StoredForm & { readonly isTiff: boolean },
  options: SharpOptions,
): Promise<DeepPicture> {
  const { space, depth, isTiff } = form;
  if (space === "cmyk") throw new InputError(`${where} is in CMYK, and has no ${channels} channels: convert it to RGB`);
  const signed = depth === "short";
  const original = sharp(signed ? asUnsigned(bytes) : bytes, { ...options, ignoreIcc: true });
  const kept = signed ? (await original.metadata()).space : space;
  // sharp drops what lies beside grey of 8 bits; as sRGB grey comes three times, and then all the rest.
  const thrice = kept === "b-w";
  const inStored = original.pipelineColourspace(kept).toColourspace(thrice ? "srgb" : kept);
  const raw = await rawPixels(inStored, depth === "uchar" ? "uchar" : "float");
  const { data, width, height } = raw;
  const numbers = depth === "uchar" ? data : new Float32Array(data.buffer, data.byteOffset, data.length / 4);
  const values = Float32Array.from(numbers, signed ? (value) => (value > 32767 ? value - 65536 : value) : undefined);
  const natural = naturalOf(depth);
  // Grey that transparency beside colours is asked of stays three times there.
  const dropped = thrice && (isTiff || channels < 3) ? 2 : 0;
  const found = raw.channels - dropped;
  const opaque = !isTiff && found === channels - 1 && isColours(found);
  if (found !== channels && !opaque) {
    const has = `${where} has ${found === 1 ? "1 channel" : `${found} channels`}`;
    throw new InputError(`${has}, and ${channels} are wanted: make all pictures alike, or give another --channels`);
  }
  const taken = new Float32Array(width * height * channels).fill(natural[1]);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < found; c++) {
      taken[pixel * channels + c] = values[pixel * raw.channels + dropped + c] as number;
    }
  }
  return { width, height, channels, values: taken, natural };
}

/** In 8 bits. */
export function bandsInLevels({ values, width, height, channels }: DeepPicture, intensity: Intensity): Picture {
  const [black, white] = intensity;
  const scale = 255 / (white - black);
  // What is no number is black.
  const levels = Uint8Array.from(values, (value) => Math.min(255, Math.max(0, (value - black) * scale)) + 0.5 || 0);
  return { pixels: levels, width, height, channels };
}

/** What can be looked at of a picture of any channels: the first three of them, or the first. */
export function viewOf({ pixels, width, height, channels }: Picture): Sharp {
  const seen = channels < 3 ? 1 : 3;
  const view = new Uint8Array(width * height * seen);
  for (let i = 0; i < view.length; i++) view[i] = pixels[Math.floor(i / seen) * channels + (i % seen)] as number;
  return sharp(view, { raw: { width, height, channels: seen } });
}
