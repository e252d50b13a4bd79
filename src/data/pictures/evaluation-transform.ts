import type { Intensity } from "./deep-picture.js";
import { type OpenPicture, openPicture, type PictureSource, readPixels } from "./picture.js";
import type { CropBox, PictureSize } from "./picture-shape.js";
import { type Interpolation, resample } from "./resample.js";

/** How a picture becomes a network's input at evaluation (section 2.1 of the paper). */
export interface EvaluationFormat {
  /** [height, width] of the input. */
  readonly size: readonly [number, number];
  /** The share of the resized picture that the centre crop keeps: 224 of 256 is 0.875. */
  readonly cropPct: number;
  readonly interpolation: Interpolation;
  readonly channels: 1 | 3;
  /** What is black and white in pictures of more than 8 bits. */
  readonly intensity?: Intensity | undefined;
}

/**
 * Resizes a picture, with antialiasing, so that its shorter side is floor(size / cropPct), and crops the centre: torchvision's
 * Resize and CenterCrop as timm sets them, pixel for pixel where the picture is enlarged, within some levels where it shrinks.
 *
 * @returns [height, width, channels] uint8; grey is luma as Pillow's convert("L")
 * @throws InputError as `decodePicture`.
 */
export async function evaluationPixels(source: PictureSource, format: EvaluationFormat): Promise<Uint8Array> {
  const picture = await openPicture(source, { intensity: format.intensity });
  const resized = resizedSize(picture, format);
  const crop = centre(resized, format.size);
  const { pixels } =
    resized.width > picture.width || resized.height > picture.height
      ? resample(await readPixels(picture), resized, crop, format.interpolation)
      : await readPixels(shrink(picture, resized, crop, format.interpolation));
  return format.channels === 1 ? luma(pixels) : pixels;
}

function resizedSize(picture: PictureSize, { size, cropPct }: EvaluationFormat): PictureSize {
  const [height, width] = size.map((side) => Math.floor(side / cropPct)) as [number, number];
  return height * picture.width >= width * picture.height
    ? { height, width: Math.floor((picture.width * height) / picture.height) }
    : { width, height: Math.floor((picture.height * width) / picture.width) };
}

function centre(picture: PictureSize, [height, width]: readonly [number, number]): CropBox {
  // Python rounds halves to the even neighbour.
  const half = (odd: number) => (odd % 2 === 0 ? odd / 2 : 2 * Math.round(odd / 4));
  return { left: half(picture.width - width), top: half(picture.height - height), width, height };
}

function shrink(picture: OpenPicture, size: PictureSize, crop: CropBox, interpolation: Interpolation): OpenPicture {
  const kernel = interpolation === "bilinear" ? "linear" : "cubic";
  // Without fastShrinkOnLoad, a JPEG is still decoded at a fraction of its size, but never below twice the size wanted.
  const resized = picture.pipeline.resize({ ...size, kernel, fit: "fill", fastShrinkOnLoad: false });
  return { ...picture, pipeline: resized.extract(crop) };
}

function luma(rgb: Uint8Array): Uint8Array {
  const at = (i: number) => rgb[i] as number;
  return Uint8Array.from(
    { length: rgb.length / 3 },
    (_, i) => (at(3 * i) * 19595 + at(3 * i + 1) * 38470 + at(3 * i + 2) * 7471 + 0x8000) >> 16,
  );
}
