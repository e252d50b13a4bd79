import { readFile, stat } from "node:fs/promises";
import sharp, { type Sharp, type SharpOptions } from "./sharp.js";
import { systemReason } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { refuseLack } from "../../base/lack.js";
import { lostRange } from "./deep-picture.js";
import { formatOf } from "./file-format.js";
import { lacksEnd, mendedJpeg } from "./mended-jpeg.js";
import { plainJpegSize } from "./jpeg-header.js";
import type { Picture } from "./picture-shape.js";

/** A picture file's path, or its bytes. */
export type PictureSource = string | Uint8Array;

/** A picture that is not decoded yet. */
export interface OpenPicture {
  /** Gives 8-bit sRGB; what is added to it (`extract`, `resize`, ...) meets the upright picture. */
  readonly pipeline: Sharp;
  /** Pixels of the upright picture. */
  readonly height: number;
  readonly width: number;
  /** The picture's name, for messages. */
  readonly where: string;
  /** Whether it is a JPEG whose file lacks its end, but no more than 1 % of its rows. */
  readonly mended: boolean;
}

export interface PictureOptions {
  /** Larger pictures are refused before they are decoded. Default: 178,956,970, where Pillow refuses too. */
  readonly maxPixels?: number;
}

export const PICTURE_FORMATS = "JPEG, PNG, WebP, AVIF, GIF and TIFF";

const MAX_PIXELS = 178_956_970;

/**
 * Decodes a JPEG, PNG, WebP, AVIF, GIF or TIFF file (the first frame or page of several) to 8-bit sRGB: turned upright as EXIF
 * says; grey, palette, CMYK and 16-bit pictures converted; transparency over white. ICC profiles count for CMYK alone: Pillow, and
 * so the pipelines that published weights were trained with, ignore them, and converting takes longer than decoding.
 *
 * @throws InputError where the file cannot be read, is no such picture, is cut off or broken, or is too large; LackError where the machine
 *   has no more files, threads or memory to read it with, which is no fault of the picture's.
 */
export async function decodePicture(source: PictureSource, options: PictureOptions = {}): Promise<Picture> {
  return readPixels(await openPicture(source, options));
}

/**
 * Reads a picture's header and prepares its decoding as `decodePicture` describes it. Add steps to `pipeline`, then call
 * `readPixels`.
 *
 * @throws InputError as `decodePicture`, but for faults that only decoding shows.
 */
export async function openPicture(
  source: PictureSource,
  { maxPixels = MAX_PIXELS }: PictureOptions = {},
): Promise<OpenPicture> {
  const where = nameOf(source);
  // Not left to libvips: it takes "[...]" at the end of a path for options.
  const bytes = typeof source === "string" ? await readPicture(source, where) : source;
  if (bytes.length === 0) throw new InputError(`${where} is empty`);
  // Others, SVG and PDF above all, never reach libvips.
  const format = formatOf(bytes);
  if (!format?.read) {
    const what = format ? `, but ${format.name}` : "";
    throw new InputError(`${where} is no picture that knack reads${what}: ${PICTURE_FORMATS} are`);
  }
  // "error" refuses what is cut off, and takes what is only odd, as Pillow does.
  const options: SharpOptions = { failOn: "error", autoOrient: true, limitInputPixels: false };
  const plain = plainJpegSize(bytes);
  const { autoOrient, space, depth } = plain
    ? { autoOrient: plain, space: "srgb", depth: "uchar" }
    : await explained(where, () => sharp(bytes, options).metadata());
  const { width, height } = autoOrient;
  if (width * height > maxPixels) {
    throw new InputError(`${where} is too large: ${width}x${height} pixels, at most ${maxPixels} in all are read`);
  }
  const mended = format.name === "JPEG" && lacksEnd(bytes) ? await mendedJpeg(bytes) : undefined;
  // Of an RGB picture's profile Pillow takes no notice either.
  const decoded = sharp(mended ?? bytes, { ...options, ignoreIcc: space !== "cmyk" });
  const pipeline = decoded.flatten({ background: "white" }).toColourspace("srgb");
  if (depth !== "uchar") await explained(where, () => refuseLostRange(where, sharp(bytes, options), pipeline.clone()));
  return {
    pipeline,
    height,
    width,
    where,
    mended: mended !== undefined,
  };
}

/** A picture of 16 bits or floats whose range is another than knack takes it for would be learnt from as black. */
async function refuseLostRange(where: string, original: Sharp, converted: Sharp): Promise<void> {
  const lost = await lostRange(original, converted);
  if (lost === undefined) return;
  const { min, max, colour } = lost;
  throw new InputError(
    `${where} would be ${colour}: its values go from ${short(min)} to ${short(max)}; convert it to 8 bits, with ${short(min)} as black and ${short(max)} as white`,
  );
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)));
}

/**
 * Decodes an opened picture through the steps its pipeline has by now.
 *
 * @throws InputError where it is cut off or broken; LackError as `decodePicture`.
 */
export async function readPixels({ pipeline, where }: OpenPicture): Promise<Picture> {
  const { data, info } = await explained(where, () => pipeline.raw().toBuffer({ resolveWithObject: true }));
  if (info.channels !== 3) throw new InputError(`${where} has no colours that knack understands`);
  return { pixels: data, height: info.height, width: info.width, channels: 3 };
}

async function readPicture(path: string, where: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new InputError(`${where} is a folder, not a picture`);
    if (!found.isFile() && !found.isFIFO()) throw new InputError(`${where} is a device, not a picture`);
    return await readFile(path);
  } catch (error) {
    refuseLack(error);
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot read ${where}: ${systemReason(error)}`, error);
  }
}

/**
 * Runs a step of libvips. Its own words are left out: it keeps them for all threads in one place, where they may be another picture's, and
 * this one's be taken by another. Therefore what fails is done again: whether threads or memory were missing is looked for twice.
 */
async function explained<T>(where: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step().catch((error) => {
      refuseLack(error);
      return step();
    });
  } catch (error) {
    refuseLack(error);
    if (error instanceof InputError) throw error;
    throw new InputError(`${where} is cut off or broken`, error);
  }
}

/** On one line whatever the path holds. */
function nameOf(source: PictureSource): string {
  if (typeof source !== "string") return `the picture of ${source.length} bytes`;
  return /\p{Cc}/u.test(source) ? JSON.stringify(source) : source;
}
