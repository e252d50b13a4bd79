import { createRequire } from "node:module";
import { KnackError } from "../../base/errors.js";

/** What pixels.cc exports. Both throw where sizes do not fit each other. */
export interface Pixels {
  /**
   * Resizes bytes of 1 to 5 channels, RGB where nothing is said, along the lines, then along the columns. For each pixel of a line, and each line, that is made: the first
   * source pixel (or line), how many, and their weights, 2^22 for a whole, in a row of equal length for each.
   */
  resample(
    pixels: Uint8Array,
    width: number,
    height: number,
    acrossFirsts: Int32Array,
    acrossCounts: Int32Array,
    acrossWeights: Int32Array,
    downFirsts: Int32Array,
    downCounts: Int32Array,
    downWeights: Int32Array,
    channels?: number,
  ): Uint8Array;
  /** Turns hues, changes saturation and looks the rest up, in place; data/colour.ts says what the numbers are. */
  changeColours(pixels: Uint8Array, numbers: Int32Array, reds: Uint8Array, greens: Uint8Array, blues: Uint8Array): void;
}

let loaded: Pixels | undefined;

/** The loops over bytes, in C++ without libtorch. */
export function pixels(): Pixels {
  try {
    loaded ??= createRequire(import.meta.url)("../../../../build/pixels.node") as Pixels;
    return loaded;
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n", 1);
    throw new KnackError(`the addon for pictures does not load: ${reason}: run \`npm run setup\``, { cause });
  }
}
