import type { ResizeMode } from "../../settings/image-size.js";
import type { Intensity } from "./deep-picture.js";
import { luma } from "./luma.js";
import { type OpenPicture, openPicture, type PictureSource, readPixels } from "./picture.js";
import type { CropBox, PictureSize } from "./picture-shape.js";
import { type Interpolation, resample } from "./resample.js";
import { type CropPlace, padded, placed, resizedSize, shownIn } from "./resize.js";

/** How a picture becomes a network's input at evaluation (section 2.1 of the paper). */
export interface EvaluationFormat {
  /** [height, width] of the input. */
  readonly size: readonly [number, number];
  readonly resize: ResizeMode;
  /** The share of the resized picture that the centre crop keeps: 224 of 256 is 0.875. */
  readonly cropPct: number;
  readonly interpolation: Interpolation;
  readonly channels: number;
  /** Of each channel on the scale 0..1, which padding shows. */
  readonly mean: readonly number[];
  /** What is black and white in pictures of more than 8 bits. */
  readonly intensity?: Intensity | undefined;
  /** Where the crop is taken. Default: "centre". */
  readonly place?: CropPlace;
}

/**
 * Resizes a picture, with antialiasing, to a box of floor(size / cropPct), and takes the centre, filled up with the mean where that is smaller than
 * the input. `crop`: its shorter side is the box's, torchvision's Resize and CenterCrop as timm sets them, pixel for pixel where the picture is
 * enlarged, within some levels where it shrinks. `squash`: it is as large as the box, timm's crop_mode "squash". `pad`: it lies in the box,
 * Pillow's ImageOps.pad.
 *
 * @returns [height, width, channels] uint8; grey is luma as Pillow's convert("L"), 2, 4 and 5 channels are the picture's own, resized one by one
 * @throws InputError as `decodePicture`.
 */
export async function evaluationPixels(source: PictureSource, format: EvaluationFormat): Promise<Uint8Array> {
  const picture = await openPicture(source, { intensity: format.intensity, channels: format.channels });
  const [height, width] = format.size;
  const [boxHeight, boxWidth] = format.size.map((side) => Math.floor(side / format.cropPct)) as [number, number];
  const resized = resizedSize(picture, { height: boxHeight, width: boxWidth }, format.resize);
  const place = placed(resized, { height, width }, format.place ?? "centre");
  const crop = shownIn(resized, place);
  const part =
    picture.bands || resized.width > picture.width || resized.height > picture.height
      ? resample(picture.bands ?? (await readPixels(picture)), resized, crop, format.interpolation)
      : await readPixels(shrink(picture, resized, crop, format.interpolation));
  const pixels = format.channels === 1 ? luma(part.pixels) : part.pixels;
  const at = { left: crop.left - place.left, top: crop.top - place.top };
  return padded({ ...crop, pixels }, at, { height, width }, format.mean);
}

function shrink(picture: OpenPicture, size: PictureSize, crop: CropBox, interpolation: Interpolation): OpenPicture {
  const kernel = interpolation === "bilinear" ? "linear" : "cubic";
  // Without fastShrinkOnLoad, a JPEG is still decoded at a fraction of its size, but never below twice the size wanted.
  const resized = picture.pipeline.resize({ ...size, kernel, fit: "fill", fastShrinkOnLoad: false });
  return { ...picture, pipeline: resized.extract(crop) };
}
