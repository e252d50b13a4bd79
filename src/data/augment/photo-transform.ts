import type { Random } from "../../tensor/random.js";
import { changeColours, UNCHANGED } from "../pictures/colour.js";
import {
  type OpenPicture,
  openPicture,
  type PictureOptions,
  type PictureSource,
  readPixels,
} from "../pictures/picture.js";
import type { EvaluationFormat } from "../pictures/evaluation-transform.js";
import { luma } from "../pictures/luma.js";
import { mirror } from "../pictures/mirror.js";
import type { CropBox, PictureSize } from "../pictures/picture-shape.js";
import { resampleBox } from "../pictures/resample.js";
import { centred, padded, resizedSize } from "../pictures/resize.js";
import type { Augmenter, PhotoChange } from "./augmenter.js";
import { type Augmentation, AUGMENTERS } from "./index.js";

/** From these reductions on sharp decodes a JPEG at an eighth, a quarter and half of its size. */
const DECODING_SHRINKS = [9, 5, 3];

/** All but `crop`, which is for small images. */
export type PhotoAugmentation = Omit<Augmentation, "crop">;

/** What a network takes. */
export type TrainingFormat = Pick<EvaluationFormat, "size" | "resize" | "channels" | "mean">;

/**
 * The paper's training pipeline (section 2.1): random resized crop, flip, hue, saturation and brightness, PCA noise. Normalising
 * follows on the device. Of 2, 4 and 5 channels, which are the picture's own, nobody knows the colours: they stay.
 *
 * @returns [height, width, channels] uint8
 * @throws InputError where the picture cannot be read.
 */
export async function trainingPixels(
  source: PictureSource,
  format: TrainingFormat,
  augmentation: PhotoAugmentation,
  random: Random,
  options: PictureOptions & { readonly augmenters?: readonly Augmenter[] } = {},
): Promise<Uint8Array> {
  const { augmenters = AUGMENTERS } = options;
  const picture = await openPicture(source, { ...options, channels: format.channels });
  return changedPixels(picture, format, drawPhotoChange(picture, format, augmentation, random, augmenters));
}

/** What becomes of a photograph of this size: the draws of all augmenters, in order. */
export function drawPhotoChange(
  { height, width }: PictureSize,
  { size, resize }: TrainingFormat,
  augmentation: PhotoAugmentation,
  random: Random,
  augmenters: readonly Augmenter[] = AUGMENTERS,
): PhotoChange {
  const change: PhotoChange = {
    crop: { left: 0, top: 0, height, width },
    mirrored: false,
    colours: UNCHANGED,
    further: [],
  };
  const [inputHeight, inputWidth] = size;
  const aspect = resize === "crop" ? inputWidth / inputHeight : width / height;
  for (const augmenter of augmenters) augmenter.photograph?.(change, augmentation, random, { height, width, aspect });
  return change;
}

/** A photograph as it is trained on: as `trainingPixels`, with what that drew. */
export async function changedPixels(
  picture: OpenPicture,
  { size: [height, width], resize, channels, mean }: TrainingFormat,
  change: PhotoChange,
): Promise<Uint8Array> {
  const input = { height, width };
  const size = resize === "pad" ? resizedSize(change.crop, input, resize) : input;
  const cropped = await croppedPixels(picture, change.crop, size);
  if (change.mirrored) mirror(cropped, size.width, picture.bands ? channels : 3);
  if (!picture.bands) changeColours(cropped, change.colours);
  const { left, top } = centred(size, input);
  const part = { ...size, pixels: channels === 1 ? luma(cropped) : cropped };
  const pixels = padded(part, { left: -left, top: -top }, input, mean);
  for (const step of change.further ?? []) step(pixels, { ...input, channels });
  return pixels;
}

/** A part of a picture resized with antialiasing to this size: as torchvision's resized_crop on a Pillow image. */
async function croppedPixels(picture: OpenPicture, crop: CropBox, size: PictureSize): Promise<Uint8Array> {
  if (picture.bands) return resampleBox(picture.bands, crop, size, "bilinear").pixels;
  const shrink = Math.min(crop.width / size.width, crop.height / size.height);
  const decoding = DECODING_SHRINKS.find((least) => shrink >= least);
  if (decoding === undefined) {
    const part = await readPixels({ ...picture, pipeline: picture.pipeline.extract(crop) });
    return resampleBox(part, { ...crop, left: 0, top: 0 }, size, "bilinear").pixels;
  }
  // Only where the whole picture is resized does sharp decode a JPEG at a fraction of its size.
  const whole = { width: Math.floor(picture.width / decoding), height: Math.floor(picture.height / decoding) };
  const [across, down] = [whole.width / picture.width, whole.height / picture.height];
  const [left, top] = [Math.floor(crop.left * across), Math.floor(crop.top * down)];
  const [width, height] = [crop.width * across, crop.height * down];
  const box = { left: crop.left * across - left, top: crop.top * down - top, width, height };
  const part = {
    left,
    top,
    width: Math.min(whole.width - left, Math.ceil(box.left + width)),
    height: Math.min(whole.height - top, Math.ceil(box.top + height)),
  };
  const pipeline = picture.pipeline.resize({ ...whole, kernel: "linear", fit: "fill" }).extract(part);
  return resampleBox(await readPixels({ ...picture, pipeline }), box, size, "bilinear").pixels;
}
