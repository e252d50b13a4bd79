import { resample } from "../data/pictures/resample.js";
import { randomFor } from "../tensor/random.js";

/**
 * A picture that is the same on every machine and has a photograph's spectrum: noise at every scale, half as strong at each
 * finer one. For checks that need pictures where there are none.
 *
 * @returns [height, width, channels] uint8
 */
export function inventedPicture(seed: number, height: number, width: number, channels: number): Uint8Array {
  const random = randomFor(seed, "invented picture");
  const made = Math.max(3, channels); // grey is one of three
  const sum = new Float64Array(height * width * made);
  for (let side = 2, strength = 1; side <= Math.min(height, width); side *= 2, strength /= 2) {
    const pixels = Uint8Array.from({ length: side * side * made }, () => random.integer(256));
    const noise = resample(
      { pixels, height: side, width: side, channels: made },
      { height, width },
      { left: 0, top: 0, height, width },
      "bicubic",
    );
    for (const [i, value] of noise.pixels.entries()) sum[i] = (sum[i] ?? 0) + strength * (value - 127.5);
  }
  const colours = Uint8ClampedArray.from(sum, (value) => 127.5 + value);
  return Uint8Array.from(colours).filter((_, index) => index % made < channels);
}
