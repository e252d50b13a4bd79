import type { Random } from "../tensor/random.js";

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
const TO_TABLE = 2 * BITS - TABLE_BITS;
const HALF = 1 << (TO_TABLE - 1);

/**
 * Changes RGB bytes in place: what torchvision's adjust_hue, adjust_saturation and adjust_brightness make of float images, then the
 * shift. Values are held to 0..255 after each step and rounded once, at the end; in some of them that goes the other way.
 */
export function changeColours(pixels: Uint8Array, { hue, saturation, brightness, shift }: ColourChange): void {
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

  for (let i = 0; i < pixels.length; i += 3) {
    let red = pixels[i] as number;
    let green = pixels[i + 1] as number;
    let blue = pixels[i + 2] as number;
    const high = red > green ? (red > blue ? red : blue) : green > blue ? green : blue;
    const low = red < green ? (red < blue ? red : blue) : green < blue ? green : blue;
    const middle = red + green + blue - high - low;
    // The sixth of the hue circle that the colour is in, and how far into it, from 0 to the chroma. Turning keeps high and low.
    let sixth = high === red ? (green >= blue ? 0 : 5) : high === green ? (red >= blue ? 1 : 2) : green >= red ? 3 : 4;
    let into = ((sixth & 1 ? high - middle : middle - low) << BITS) + Math.imul(high - low, partOfSixth);
    sixth += wholeSixths;
    const chroma = (high - low) << BITS;
    if (into >= chroma) {
      into -= chroma;
      sixth++;
    }
    if (sixth >= 6) sixth -= 6;
    const top = high << BITS;
    const bottom = low << BITS;
    const between = sixth & 1 ? top - into : bottom + into;
    if (sixth < 2) {
      red = sixth === 0 ? top : between;
      green = sixth === 0 ? between : top;
      blue = bottom;
    } else if (sixth < 4) {
      red = bottom;
      green = sixth === 2 ? top : between;
      blue = sixth === 2 ? between : top;
    } else {
      red = sixth === 4 ? between : top;
      green = bottom;
      blue = sixth === 4 ? top : between;
    }
    const grey = Math.imul(red, greyRed) + Math.imul(green, greyGreen) + Math.imul(blue, greyBlue) + HALF;
    pixels[i] = reds[((Math.imul(red, colour) + grey) >> TO_TABLE) + start] as number;
    pixels[i + 1] = greens[((Math.imul(green, colour) + grey) >> TO_TABLE) + start] as number;
    pixels[i + 2] = blues[((Math.imul(blue, colour) + grey) >> TO_TABLE) + start] as number;
  }
}

type Tables = [Uint8ClampedArray, Uint8ClampedArray, Uint8ClampedArray];

/** What becomes of the values from `least` to `most` after saturation. */
function levels(least: number, most: number, brightness: number, shift: number): Uint8ClampedArray {
  const table = new Uint8ClampedArray(((most - least) << TABLE_BITS) + 1);
  for (let i = 0; i < table.length; i++) {
    const value = Math.min(255, Math.max(0, least + i / (1 << TABLE_BITS)));
    table[i] = Math.min(255, value * brightness) + shift;
  }
  return table;
}

/** Box-Muller. */
function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}
