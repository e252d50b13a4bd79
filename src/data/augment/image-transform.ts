import type { Random } from "../../tensor/random.js";
import type { ImageShape } from "../split.js";
import type { Augmenter, ImageChange } from "./augmenter.js";
import { type Augmentation, AUGMENTERS } from "./index.js";

/** What is done to a small training image before it is seen. */
export type ImageAugmentation = Pick<Augmentation, "crop" | "flip">;

/**
 * What the augmenters make of one HWC uint8 image: random crop, then random flip, drawn in this order.
 *
 * @param out receives the result: another array of the image's length
 */
export function augmentInto(
  out: Uint8Array,
  image: Uint8Array,
  shape: ImageShape,
  augmentation: ImageAugmentation,
  random: Random,
  augmenters: readonly Augmenter[] = AUGMENTERS,
): void {
  const change: ImageChange = { down: 0, right: 0, mirrored: false, further: [] };
  for (const augmenter of augmenters) augmenter.smallImage?.(change, augmentation, random);
  cropInto(out, image, shape, change);
  for (const step of change.further) step(out, shape);
}

function cropInto(
  out: Uint8Array,
  image: Uint8Array,
  { height, width, channels }: ImageShape,
  { down, right, mirrored }: ImageChange,
): void {
  out.fill(0);
  const [firstRow, lastRow] = [Math.max(0, -down), Math.min(height, height - down)];
  const [firstColumn, lastColumn] = [Math.max(0, -right), Math.min(width, width - right)];
  for (let row = firstRow; row < lastRow; row++) {
    for (let column = firstColumn; column < lastColumn; column++) {
      const from = ((row + down) * width + column + right) * channels;
      const to = (row * width + (mirrored ? width - 1 - column : column)) * channels;
      for (let channel = 0; channel < channels; channel++) out[to + channel] = image[from + channel] as number;
    }
  }
}
