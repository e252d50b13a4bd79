import { pixels } from "../../native/pixels/pixels.js";

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

/** Leaves a picture as it is. */
export const UNCHANGED: ColourChange = { hue: 0, saturation: 1, brightness: 1, shift: [0, 0, 0] };

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
