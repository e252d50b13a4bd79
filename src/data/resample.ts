import type { Picture } from "./picture.js";

export type Interpolation = "bilinear" | "bicubic";

export interface PictureSize {
  readonly height: number;
  readonly width: number;
}

/** A part of a picture, in its pixels. */
export interface CropBox extends PictureSize {
  readonly left: number;
  readonly top: number;
}

/** How far a kernel reaches, in source pixels, and its weight there. */
const KERNELS: Record<Interpolation, { reach: number; weight: (distance: number) => number }> = {
  bilinear: { reach: 1, weight: (x) => 1 - x },
  // Keys' cubic with a = -0.5
  bicubic: { reach: 2, weight: (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((2.5 - 0.5 * x) * x - 4) * x + 2) },
};

/** Weights are integers, 2^22 for a whole: a byte times that, summed up, stays in 31 bits. */
const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

/** For each pixel of a line that is made: the first source pixel it is made from, how many, and their weights in a row of `most`. */
interface Taps {
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
  readonly most: number;
}

/**
 * Part of a picture resized with antialiasing, computed as Pillow does: along the lines, rounded to bytes, then along the
 * columns. Here because libvips shifts pictures by half a pixel when it enlarges them.
 *
 * @param size of the whole picture when resized
 * @param crop the part of that which is wanted
 */
export function resample(picture: Picture, size: PictureSize, crop: CropBox, interpolation: Interpolation): Picture {
  const across = tapsOf(picture.width, size.width, interpolation, crop.left, crop.width);
  const down = tapsOf(picture.height, size.height, interpolation, crop.top, crop.height);
  // Only the lines that the crop needs.
  const firstLine = down.firsts[0] as number;
  const lines = (down.firsts.at(-1) as number) + (down.counts.at(-1) as number) - firstLine;
  const wide = resizeLines(picture, firstLine, lines, across);
  const pixels = resizeColumns(wide, crop.width * 3, down, firstLine);
  return { pixels, height: crop.height, width: crop.width, channels: 3 };
}

// Math.imul and | 0 keep the sums 32-bit integers, which makes these loops twice as fast.
function resizeLines({ pixels, width }: Picture, firstLine: number, lines: number, taps: Taps): Uint8ClampedArray {
  const { firsts, counts, weights, most } = taps;
  const wide = new Uint8ClampedArray(lines * firsts.length * 3);
  for (let line = 0, to = 0; line < lines; line++) {
    const start = (firstLine + line) * width * 3;
    for (let x = 0; x < firsts.length; x++, to += 3) {
      let from = start + (firsts[x] as number) * 3;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      const end = x * most + (counts[x] as number);
      for (let tap = x * most; tap < end; tap++, from += 3) {
        const weight = weights[tap] as number;
        red = (red + Math.imul(pixels[from] as number, weight)) | 0;
        green = (green + Math.imul(pixels[from + 1] as number, weight)) | 0;
        blue = (blue + Math.imul(pixels[from + 2] as number, weight)) | 0;
      }
      wide[to] = red >> PRECISION_BITS;
      wide[to + 1] = green >> PRECISION_BITS;
      wide[to + 2] = blue >> PRECISION_BITS;
    }
  }
  return wide;
}

function resizeColumns(wide: Uint8ClampedArray, stride: number, taps: Taps, firstLine: number): Uint8Array {
  const { firsts, counts, weights, most } = taps;
  const pixels = new Uint8ClampedArray(firsts.length * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < firsts.length; y++) {
    sums.fill(HALF);
    let from = ((firsts[y] as number) - firstLine) * stride;
    for (let tap = 0; tap < (counts[y] as number); tap++) {
      const weight = weights[y * most + tap] as number;
      for (let i = 0; i < stride; i++, from++) {
        sums[i] = ((sums[i] as number) + Math.imul(wide[from] as number, weight)) | 0;
      }
    }
    const to = y * stride;
    for (let i = 0; i < stride; i++) pixels[to + i] = (sums[i] as number) >> PRECISION_BITS;
  }
  return new Uint8Array(pixels.buffer);
}

function tapsOf(from: number, to: number, interpolation: Interpolation, start: number, count: number): Taps {
  const { reach, weight } = KERNELS[interpolation];
  // Where it shrinks, the kernel widens over all that falls into a pixel.
  const stretch = Math.max(1, from / to);
  const most = Math.ceil(reach * stretch) * 2 + 1;
  const firsts = new Int32Array(count);
  const counts = new Int32Array(count);
  const weights = new Int32Array(count * most);
  for (let i = 0; i < count; i++) {
    const centre = ((start + i + 0.5) * from) / to;
    const first = Math.max(0, Math.trunc(centre - reach * stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach * stretch + 0.5));
    const weightAt = (pixel: number) => weight(Math.min(reach, Math.abs(pixel + 0.5 - centre) / stretch));
    let sum = 0;
    for (let pixel = first; pixel < end; pixel++) sum += weightAt(pixel);
    firsts[i] = first;
    counts[i] = end - first;
    const row = i * most - first;
    for (let pixel = first; pixel < end; pixel++) {
      weights[row + pixel] = Math.round((weightAt(pixel) / sum) * (1 << PRECISION_BITS));
    }
  }
  return { firsts, counts, weights, most };
}
