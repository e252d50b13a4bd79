import type { ResizeMode } from "../../settings/image-size.js";
import type { CropBox, PictureSize } from "./picture-shape.js";

/**
 * What a picture is resized to before it is centred in an input: it covers the box (torchvision's Resize), lies in it (Pillow's
 * ImageOps.contain), or is as large as it.
 */
export function resizedSize(picture: PictureSize, box: PictureSize, mode: ResizeMode): PictureSize {
  if (mode === "squash") return box;
  const isLow = box.height * picture.width >= box.width * picture.height;
  if (mode === "crop") {
    return isLow
      ? { height: box.height, width: Math.floor((picture.width * box.height) / picture.height) }
      : { width: box.width, height: Math.floor((picture.height * box.width) / picture.width) };
  }
  const rounded = (side: number) => Math.max(1, evenRound(side));
  return isLow
    ? { width: box.width, height: rounded((picture.height / picture.width) * box.width) }
    : { height: box.height, width: rounded((picture.width / picture.height) * box.height) };
}

/** Where in a resized picture the part lies that becomes the input. */
export type CropPlace = "centre" | "top-left" | "top-right" | "bottom-left" | "bottom-right";

/** Where the middle of a picture is that is as large as an input: left and top are negative where the input is larger. */
export function centred(picture: PictureSize, { height, width }: PictureSize): CropBox {
  const [left, top] = [evenRound((picture.width - width) / 2), evenRound((picture.height - height) / 2)];
  return { left, top, width, height };
}

/** The same in a corner, as far as the picture is larger than the input. */
export function placed(picture: PictureSize, input: PictureSize, place: CropPlace): CropBox {
  const middle = centred(picture, input);
  if (place === "centre") return middle;
  const [down, across] = place.split("-");
  const left = across === "left" ? 0 : picture.width - input.width;
  const top = down === "top" ? 0 : picture.height - input.height;
  return {
    ...middle,
    left: picture.width > input.width ? left : middle.left,
    top: picture.height > input.height ? top : middle.top,
  };
}

/** The part of a picture that a box shows. */
export function shownIn(picture: PictureSize, { left, top, width, height }: CropBox): CropBox {
  const [firstColumn, firstRow] = [Math.max(0, left), Math.max(0, top)];
  return {
    left: firstColumn,
    top: firstRow,
    width: Math.min(picture.width, left + width) - firstColumn,
    height: Math.min(picture.height, top + height) - firstRow,
  };
}

/**
 * A part of a picture in the middle of an input, the rest filled.
 *
 * @param part [height, width, channels] uint8, and where in the input its left and top are
 * @param mean of each channel on the scale 0..1, which the network sees as 0: what the rest shows
 */
export function padded(
  part: PictureSize & { readonly pixels: Uint8Array },
  { left, top }: { readonly left: number; readonly top: number },
  { height, width }: PictureSize,
  mean: readonly number[],
): Uint8Array {
  if (part.height === height && part.width === width) return part.pixels;
  const channels = mean.length;
  const fill = Uint8Array.from(mean, (value) => Math.round(255 * Math.min(1, Math.max(0, value))));
  const pixels = Uint8Array.from({ length: height * width * channels }, (_, i) => fill[i % channels] as number);
  const line = part.width * channels;
  for (let row = 0; row < part.height; row++) {
    pixels.set(part.pixels.subarray(row * line, (row + 1) * line), ((top + row) * width + left) * channels);
  }
  return pixels;
}

/** Halves to the even neighbour, as Python rounds. */
function evenRound(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below & 1) : Math.round(value);
}
