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
 * Part of a picture resized with antialiasing.
 *
 * @param size of the whole picture when resized
 * @param crop the part of that which is wanted
 */
export function resample(picture: Picture, size: PictureSize, crop: CropBox, interpolation: Interpolation): Picture {
  const [across, down] = [picture.width / size.width, picture.height / size.height];
  const box = {
    left: crop.left * across,
    top: crop.top * down,
    width: crop.width * across,
    height: crop.height * down,
  };
  return resampleBox(picture, box, crop, interpolation);
}

/**
 * Part of a picture resized with antialiasing, computed as Pillow does: along the lines, rounded to bytes, then along the
 * columns. Here because libvips shifts pictures by half a pixel when it enlarges them.
 *
 * @param box the part, in pixels of the picture and their fractions
 * @param size of the result
 */
export function resampleBox(picture: Picture, box: CropBox, size: PictureSize, interpolation: Interpolation): Picture {
  const across = tapsOf(picture.width, box.left, box.width, size.width, interpolation);
  const down = tapsOf(picture.height, box.top, box.height, size.height, interpolation);
  // Only the lines that the box needs.
  const firstLine = down.firsts[0] as number;
  const lines = (down.firsts.at(-1) as number) + (down.counts.at(-1) as number) - firstLine;
  const wide = resizeLines(picture, firstLine, lines, across);
  const pixels = resizeColumns(wide, size.width * 3, down, firstLine);
  return { pixels, height: size.height, width: size.width, channels: 3 };
}

// Math.imul and | 0 keep the sums 32-bit integers, which makes these loops twice as fast.
function resizeLines({ pixels, width }: Picture, firstLine: number, lines: number, taps: Taps): Uint8ClampedArray {
  if (taps.counts.every((count) => count <= 2)) return enlargeLines(pixels, width * 3, firstLine, lines, taps);
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

/** As `resizeLines` for pixels made of two at most, as all of an enlarged picture are: twice as fast. */
function enlargeLines(pixels: Uint8Array, stride: number, firstLine: number, lines: number, taps: Taps) {
  const { firsts, counts, weights, most } = taps;
  const size = firsts.length;
  const wide = new Uint8ClampedArray(lines * size * 3);
  const lefts = firsts.map((first) => first * 3);
  const rights = lefts.map((left, x) => ((counts[x] as number) > 1 ? left + 3 : left));
  const leftWeights = firsts.map((_, x) => weights[x * most] as number);
  const rightWeights = firsts.map((_, x) => weights[x * most + 1] as number);
  for (let line = 0, to = 0; line < lines; line++) {
    const start = (firstLine + line) * stride;
    for (let x = 0; x < size; x++, to += 3) {
      const left = start + (lefts[x] as number);
      const right = start + (rights[x] as number);
      const a = leftWeights[x] as number;
      const b = rightWeights[x] as number;
      const red = Math.imul(pixels[left] as number, a) + Math.imul(pixels[right] as number, b);
      const green = Math.imul(pixels[left + 1] as number, a) + Math.imul(pixels[right + 1] as number, b);
      const blue = Math.imul(pixels[left + 2] as number, a) + Math.imul(pixels[right + 2] as number, b);
      wide[to] = (red + HALF) >> PRECISION_BITS;
      wide[to + 1] = (green + HALF) >> PRECISION_BITS;
      wide[to + 2] = (blue + HALF) >> PRECISION_BITS;
    }
  }
  return wide;
}

function resizeColumns(wide: Uint8ClampedArray, stride: number, taps: Taps, firstLine: number): Uint8Array {
  const { firsts, counts, weights, most } = taps;
  const pixels = new Uint8ClampedArray(firsts.length * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < firsts.length; y++) {
    const to = y * stride;
    const count = counts[y] as number;
    let from = ((firsts[y] as number) - firstLine) * stride;
    if (count <= 2) {
      const next = count === 2 ? from + stride : from;
      const [a, b] = [weights[y * most] as number, weights[y * most + 1] as number];
      for (let i = 0; i < stride; i++) {
        const sum = Math.imul(wide[from + i] as number, a) + Math.imul(wide[next + i] as number, b);
        pixels[to + i] = (sum + HALF) >> PRECISION_BITS;
      }
      continue;
    }
    sums.fill(HALF);
    for (let tap = y * most; tap < y * most + count; tap++, from += stride) {
      const weight = weights[tap] as number;
      for (let i = 0; i < stride; i++) {
        sums[i] = ((sums[i] as number) + Math.imul(wide[from + i] as number, weight)) | 0;
      }
    }
    for (let i = 0; i < stride; i++) pixels[to + i] = (sums[i] as number) >> PRECISION_BITS;
  }
  return new Uint8Array(pixels.buffer);
}

/** How `to` pixels are made from those between `start` and `start + length` of a line that has `whole`. */
function tapsOf(whole: number, start: number, length: number, to: number, interpolation: Interpolation): Taps {
  const { reach, weight } = KERNELS[interpolation];
  const scale = length / to;
  // Where it shrinks, the kernel widens over all that falls into a pixel.
  const stretch = Math.max(1, scale);
  const most = Math.ceil(reach * stretch) * 2 + 1;
  const firsts = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights = new Int32Array(to * most);
  const exact = new Float64Array(most);
  for (let i = 0; i < to; i++) {
    const centre = start + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach * stretch + 0.5));
    const count = Math.min(whole, Math.trunc(centre + reach * stretch + 0.5)) - first;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const distance = Math.abs(first + tap + 0.5 - centre) / stretch;
      exact[tap] = weight(distance < reach ? distance : reach);
      sum += exact[tap] as number;
    }
    firsts[i] = first;
    counts[i] = count;
    const toUnits = (1 << PRECISION_BITS) / sum;
    for (let tap = 0; tap < count; tap++) weights[i * most + tap] = Math.round((exact[tap] as number) * toUnits);
  }
  return { firsts, counts, weights, most };
}
