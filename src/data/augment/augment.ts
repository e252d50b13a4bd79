import type { Random } from "../../tensor/random.js";
import type { ImageShape } from "../image-set.js";

/** What is done to a small training image before it is seen. */
export interface Augmentation {
  /** Pixels of zeros put around the image before a random window of its own size is cut out; 0 = no crop. */
  readonly crop: number;
  /** Mirror left to right with probability 1/2. */
  readonly flip: boolean;
}

/**
 * Random crop, then random flip, of one HWC uint8 image: torchvision's RandomCrop(size, padding=crop) and
 * RandomHorizontalFlip(). Padding is 0 on the byte scale (black), before any normalising.
 *
 * Draws, in this order and only if asked for: the window's top and left in [0, 2 crop], then the flip.
 *
 * @param out receives the result: another array of the image's length
 */
export function augmentInto(
  out: Uint8Array,
  image: Uint8Array,
  { height, width, channels }: ImageShape,
  { crop, flip }: Augmentation,
  random: Random,
): void {
  const down = crop > 0 ? random.integer(2 * crop + 1) - crop : 0;
  const right = crop > 0 ? random.integer(2 * crop + 1) - crop : 0;
  const mirrored = flip && random.uniform() < 0.5;

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
