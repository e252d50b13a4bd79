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

/** 1 / chroma of a pixel whose chroma is not 0: dividing would take longer. */
const RECIPROCALS = Float64Array.from({ length: 256 }, (_, chroma) => 1 / chroma);

/**
 * Changes RGB bytes in place: what torchvision's adjust_hue, adjust_saturation and adjust_brightness make of float images, then the
 * shift. Values are held to 0..255 after each step and rounded once, at the end.
 */
export function changeColours(pixels: Uint8Array, { hue, saturation, brightness, shift }: ColourChange): void {
  const [shiftRed, shiftGreen, shiftBlue] = shift;
  const turn = 6 * (hue - Math.floor(hue));
  const greyness = 1 - saturation;
  for (let i = 0; i < pixels.length; i += 3) {
    let red = pixels[i] as number;
    let green = pixels[i + 1] as number;
    let blue = pixels[i + 2] as number;
    const most = red > green ? (red > blue ? red : blue) : green > blue ? green : blue;
    const least = red < green ? (red < blue ? red : blue) : green < blue ? green : blue;
    const chroma = most - least;
    if (chroma !== 0) {
      // The hue in sixths of the circle. Turning it keeps the largest and the smallest channel's value, but not which they are.
      const reciprocal = RECIPROCALS[chroma] as number;
      let hueNow = turn;
      if (most === red) hueNow += (green - blue) * reciprocal;
      else if (most === green) hueNow += 2 + (blue - red) * reciprocal;
      else hueNow += 4 + (red - green) * reciprocal;
      if (hueNow < 0) hueNow += 6;
      else if (hueNow >= 6) hueNow -= 6;
      const sixth = hueNow | 0;
      const middle = sixth & 1 ? most - chroma * (hueNow - sixth) : least + chroma * (hueNow - sixth);
      red = sixth === 0 || sixth === 5 ? most : sixth === 1 || sixth === 4 ? middle : least;
      green = sixth === 1 || sixth === 2 ? most : sixth === 0 || sixth === 3 ? middle : least;
      blue = sixth === 3 || sixth === 4 ? most : sixth === 2 || sixth === 5 ? middle : least;
    }
    const grey = (0.299 * red + 0.587 * green + 0.114 * blue) * greyness;
    pixels[i] = toByte(clamp(red * saturation + grey) * brightness, shiftRed);
    pixels[i + 1] = toByte(clamp(green * saturation + grey) * brightness, shiftGreen);
    pixels[i + 2] = toByte(clamp(blue * saturation + grey) * brightness, shiftBlue);
  }
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function toByte(value: number, shift: number): number {
  return (clamp((value > 255 ? 255 : value) + shift) + 0.5) | 0;
}

/** Box-Muller. */
function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  return radius * Math.cos(2 * Math.PI * random.uniform());
}
