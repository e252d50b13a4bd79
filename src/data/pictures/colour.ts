import { pixels } from "../../native/pixels/pixels.js";
import type { Random } from "../../tensor/random.js";

/** How a picture's colours are changed, in this order. */
export interface ColourChange {
  /** Turn of the hue, as a share of the full circle. */
  readonly hue: number;
  /** 0 is grey, 1 leaves it. */
  readonly saturation: number;
  /** 0 is black, 1 leaves it. */
  readonly brightness: number;
  /** Added to red, green and blue, on the 0..255 scale. */
  readonly shift: readonly [number, number, number];
}

/** ImageNet's principal components of colour, on the 0..255 scale (Krizhevsky et al. 2012): columns of vectors, and their values. */
const EIGENVALUES = [55.46, 4.794, 1.148] as const;
const EIGENVECTORS = [
  [-0.5675, 0.7192, 0.4009],
  [-0.5808, -0.0045, -0.814],
  [-0.5836, -0.6948, 0.4203],
] as const;

/**
 * A random change (section 2.1 of the paper): hue, saturation and brightness by coefficients from U[1 - jitter, 1 + jitter], then PCA noise
 * with coefficients from N(0, lighting). A hue's coefficient c turns it by c - 1 of the circle, as torchvision's ColorJitter does.
 */
export function drawColourChange(
  { jitter, lighting }: { jitter: number; lighting: number },
  random: Random,
): ColourChange {
  const coefficient = () => 1 + jitter * (2 * random.uniform() - 1);
  const [hue, saturation, brightness] = [coefficient() - 1, coefficient(), coefficient()];
  const noise = EIGENVALUES.map((value) => value * lighting * normal(random));
  const shift = EIGENVECTORS.map((row) => row.reduce((sum, each, i) => sum + each * (noise[i] as number), 0));
  return { hue, saturation, brightness, shift: shift as [number, number, number] };
}

/** Levels are multiplied by 2^10, and then by a factor times 2^10: integers of less than 31 bits, which are faster than floats. */
const BITS = 10;
const ONE = 1 << BITS;
/** The tables that end the computation go in eighths of a level. */
const TABLE_BITS = 3;

/**
 * Changes RGB bytes in place: what torchvision's adjust_hue, adjust_saturation and adjust_brightness make of float images, then the
 * shift. Values are held to 0..255 after each step and rounded once, at the end; in some of them that goes the other way.
 */
export function changeColours(bytes: Uint8Array, { hue, saturation, brightness, shift }: ColourChange): void {
  const turn = 6 * (hue - Math.floor(hue));
  const wholeSixths = Math.floor(turn);
  const partOfSixth = Math.round((turn - wholeSixths) * ONE);
  const colour = Math.round(saturation * ONE);
  const greyRed = Math.round(0.299 * (ONE - colour));
  const greyGreen = Math.round(0.587 * (ONE - colour));
  const greyBlue = ONE - colour - greyRed - greyGreen;
  // Saturation lets values leave 0..255 that far; a level more for rounding.
  const least = Math.floor(Math.min(0, 255 * (1 - saturation))) - 1;
  const most = Math.ceil(Math.max(255, 255 * saturation)) + 1;
  const [reds, greens, blues] = shift.map((each) => levels(least, most, brightness, each)) as Tables;
  const start = -least << TABLE_BITS;

  const numbers = [wholeSixths, partOfSixth, colour, greyRed, greyGreen, greyBlue, start];
  pixels().changeColours(bytes, Int32Array.from(numbers), reds, greens, blues);
}

type Tables = [Uint8Array, Uint8Array, Uint8Array];

/** What becomes of the values from `least` to `most` after saturation. */
function levels(least: number, most: number, brightness: number, shift: number): Uint8Array {
  const table = new Uint8ClampedArray(((most - least) << TABLE_BITS) + 1);
  for (let i = 0; i < table.length; i++) {
    const value = Math.min(255, Math.max(0, least + i / (1 << TABLE_BITS)));
    table[i] = Math.min(255, value * brightness) + shift;
  }
  return new Uint8Array(table.buffer);
}

/** Box-Muller. */
function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}
