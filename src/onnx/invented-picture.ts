import { resample } from "../data/pictures/resample.js";
import { randomFor } from "../tensor/random.js";

/**
 * A picture that is the same on every machine and has a photograph's spectrum: noise at every scale, half as strong at each
 * finer one. For checks that need pictures where there are none.
 *
 * @returns [height, width, channels] uint8
 */
export function inventedPicture(seed: number, height: number, width: number, channels: 1 | 3): Uint8Array {
  const random = randomFor(seed, "invented picture");
  const sum = new Float64Array(height * width * 3);
  for (let side = 2, strength = 1; side <= Math.min(height, width); side *= 2, strength /= 2) {
    const pixels = Uint8Array.from({ length: side * side * 3 }, () => random.integer(256));
    const noise = resample(
      { pixels, height: side, width: side, channels: 3 },
      { height, width },
      { left: 0, top: 0, height, width },
      "bicubic",
    );
    for (const [i, value] of noise.pixels.entries()) sum[i] = (sum[i] ?? 0) + strength * (value - 127.5);
  }
  const colours = Uint8ClampedArray.from(sum, (value) => 127.5 + value);
  return Uint8Array.from(colours).filter((_, index) => index % 3 < channels);
}
