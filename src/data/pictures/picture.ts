import { readFile, stat } from "node:fs/promises";
import sharp, { type Sharp, type SharpOptions } from "./sharp.js";
import { systemReason } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { refuseLack } from "../../base/lack.js";
import { bandsInLevels, isColours, storedBands, viewOf } from "./bands.js";
import {
  type DeepPicture,
  deepPicture,
  type Intensity,
  isDeep,
  levelsOf,
  lossOf,
  rangeOf,
  short,
  type ValueRange,
  vanishes,
} from "./deep-picture.js";
import { formatOf } from "./file-format.js";
import { lacksEnd, mendedJpeg } from "./mended-jpeg.js";
import { plainJpegSize } from "./jpeg-header.js";
import type { Picture } from "./picture-shape.js";
import { rawPixels } from "./raw-pixels.js";
import { hasFurtherSample, readableSamples } from "./tiff-colours.js";

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
  /** For people: "JPEG". */
  readonly format: string;
  /** Whether it is a JPEG whose file lacks its end, but no more than 1 % of its rows. */
  readonly mended: boolean;
  /** Where other channels than grey or colours were asked for: all of it. `pipeline` then gives something to look at. */
  readonly bands?: Picture;
}

export interface PictureOptions {
  /** Larger pictures are refused before they are decoded. Default: 178,956,970, where Pillow refuses too. */
  readonly maxPixels?: number;
  /** What is black and white in pictures of more than 8 bits. Default: all of 16 bits, and 0 to 255 of other numbers. */
  readonly intensity?: Intensity | undefined;
  /** Of a network's input: of 2, 4 and 5 a picture's own channels are kept as `bands`; 1 and 3 are made of sRGB. Default: 3. */
  readonly channels?: number | undefined;
}

export const PICTURE_FORMATS = "JPEG, PNG, WebP, AVIF, GIF and TIFF";

const MAX_PIXELS = 178_956_970;
/** "error" refuses what is cut off, and takes what is only odd, as Pillow does. */
const DECODING: SharpOptions = { failOn: "error", autoOrient: true, limitInputPixels: false };

/**
 * Decodes a JPEG, PNG, WebP, AVIF, GIF or TIFF file (the first frame or page of several) to 8-bit sRGB: turned upright as EXIF
 * says; grey, palette and CMYK pictures converted, 16-bit and floating-point ones scaled as `intensity` says; transparency over white. ICC profiles count for CMYK alone: Pillow, and
 * so the pipelines that published weights were trained with, ignore them, and converting takes longer than decoding.
 *
 * @throws InputError where the file cannot be read, is no such picture, is cut off or broken, or is too large; LackError where the machine
 *   has no more files, threads or memory to read it with, which is no fault of the picture's.
 */
export async function decodePicture(source: PictureSource, options: PictureOptions = {}): Promise<Picture> {
  return readPixels(await openPicture(source, options));
}

/**
 * Reads a picture's header and prepares its decoding as `decodePicture` describes it; pictures of more than 8 bits are decoded. Add
 * steps to `pipeline`, then call `readPixels`.
 *
 * @throws InputError as `decodePicture`, but for faults that only decoding shows.
 */
export async function openPicture(
  source: PictureSource,
  { maxPixels = MAX_PIXELS, intensity, channels = 3 }: PictureOptions = {},
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
  const isTiff = format.name === "TIFF";
  const samples = isColours(channels) ? hasFurtherSample : readableSamples;
  const further = isTiff && samples(where, bytes) === true;
  const plain = plainJpegSize(bytes);
  const { autoOrient, space, depth } = plain
    ? { autoOrient: plain, space: "srgb", depth: "uchar" }
    : await explained(where, () => sharp(bytes, DECODING).metadata());
  const { width, height } = autoOrient;
  if (width * height > maxPixels) {
    throw new InputError(`${where} is too large: ${width}x${height} pixels, at most ${maxPixels} in all are read`);
  }
  const opened = { height, width, where, format: format.name };
  if (!isColours(channels)) {
    const form = { space, depth, isTiff };
    const stored = await explained(where, () => storedBands(where, bytes, channels, form, DECODING));
    const seen = isDeep(form) ? visible(where, stored, intensity) : stored.natural;
    const bands = bandsInLevels(stored, seen);
    return { ...opened, pipeline: viewOf(bands).toColourspace("srgb"), bands, mended: false };
  }
  if (isDeep({ space, depth })) {
    const deep = await explained(where, () => deepPicture(where, bytes, { space, depth }, further, DECODING));
    return { ...opened, pipeline: scaled(where, deep, intensity), mended: false };
  }
  const mended = format.name === "JPEG" && lacksEnd(bytes) ? await mendedJpeg(bytes) : undefined;
  // Of an RGB picture's profile Pillow takes no notice either.
  const decoded = sharp(mended ?? bytes, { ...DECODING, ignoreIcc: space !== "cmyk" });
  const opaque = further ? decoded.removeAlpha() : decoded.flatten({ background: "white" });
  return { ...opened, pipeline: opaque.toColourspace("srgb"), mended: mended !== undefined };
}

/**
 * The least and the largest number of a picture of more than 8 bits, and what is black and white in it where nobody says; undefined for
 * all others.
 *
 * @throws InputError as `decodePicture`
 */
export async function deepRange(bytes: Uint8Array): Promise<{ range: ValueRange; natural: Intensity } | undefined> {
  const where = nameOf(bytes);
  const format = formatOf(bytes);
  if (!format?.read || format.name === "JPEG") return undefined;
  const further = format.name === "TIFF" && hasFurtherSample(where, bytes);
  const { width, height, space, depth } = await explained(where, () => sharp(bytes, DECODING).metadata());
  if (!isDeep({ space, depth }) || width * height > MAX_PIXELS) return undefined;
  const deep = await explained(where, () => deepPicture(where, bytes, { space, depth }, further, DECODING));
  const range = rangeOf(deep);
  return range && { range, natural: deep.natural };
}

/** What is black and white in a picture of more than 8 bits. @throws InputError where it would be learnt from as black, white or cut off */
function visible(where: string, deep: DeepPicture, intensity: Intensity | undefined): Intensity {
  const range = rangeOf(deep);
  if (range) {
    const { min, max } = range;
    const [black, white] = intensity ?? deep.natural;
    const lost = intensity ? (vanishes(range, intensity) ? "of one colour" : undefined) : lossOf(range, deep.natural);
    if (lost !== undefined) {
      throw new InputError(
        `${where} would be ${lost}: its values go from ${short(min)} to ${short(max)}, and ${short(black)} is black and ${short(white)} white; ` +
          "train with --intensity MIN,MAX, or convert it to 8 bits",
      );
    }
  }
  return intensity ?? deep.natural;
}

function scaled(where: string, deep: DeepPicture, intensity: Intensity | undefined): Sharp {
  const { width, height, channels } = deep;
  const levels = levelsOf(deep, visible(where, deep, intensity));
  return sharp(levels, { raw: { width, height, channels: channels < 3 ? 1 : 3 } }).toColourspace("srgb");
}

/**
 * Decodes an opened picture through the steps its pipeline has by now.
 *
 * @throws InputError where it is cut off or broken; LackError as `decodePicture`.
 */
export async function readPixels({ pipeline, where }: OpenPicture): Promise<Picture> {
  const { data, height, width, channels } = await explained(where, () => rawPixels(pipeline));
  if (channels !== 3) throw new InputError(`${where} has no colours that knack understands`);
  return { pixels: data, height, width, channels };
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
