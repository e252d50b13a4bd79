import { pixels } from "../../native/pixels/pixels.js";
import type { CropBox, Picture, PictureSize } from "./picture-shape.js";

export type Interpolation = "bilinear" | "bicubic";

/** How far a kernel reaches, in source pixels, and its weight there. */
const KERNELS: Record<Interpolation, { reach: number; weight: (distance: number) => number }> = {
  bilinear: { reach: 1, weight: (x) => 1 - x },
  // Keys' cubic with a = -0.5
  bicubic: { reach: 2, weight: (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((2.5 - 0.5 * x) * x - 4) * x + 2) },
};

/** Weights are integers, 2^22 for a whole: a byte times that, summed up, stays in 31 bits. */
const PRECISION_BITS = 22;

/** For each pixel of a line that is made: the first source pixel it is made from, how many, and their weights, in a row of equal length for each. */
interface Taps {
  readonly firsts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
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
  const made = pixels().resample(
    ...([picture.pixels, picture.width, picture.height] as const),
    ...([across.firsts, across.counts, across.weights] as const),
    ...([down.firsts, down.counts, down.weights] as const),
    picture.channels,
  );
  return { pixels: made, height: size.height, width: size.width, channels: picture.channels };
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
  return { firsts, counts, weights };
}
