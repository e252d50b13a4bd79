import type { Range } from "./integers.js";

/** Bins on each side of 0. */
export const BINS = 2048;

/** How often a tensor's numbers were of which size. Exact zeros are not counted: every grid has them. */
export class Histogram {
  /** From the lowest bin, that of -reach, to the highest, that of reach. */
  readonly counts = new Float64Array(2 * BINS);
  readonly reach: number;

  /** @param range the least and the greatest number that will be counted */
  constructor(readonly range: Range) {
    this.reach = Math.max(-range.low, range.high);
  }

  add(values: Float32Array): void {
    const { counts, reach } = this;
    const perUnit = BINS / reach;
    for (const value of values) {
      if (value === 0) continue;
      const bin = Math.min(Math.max(Math.floor(value * perUnit) + BINS, 0), 2 * BINS - 1);
      counts[bin] = (counts[bin] as number) + 1;
    }
  }

  /** The counts by magnitude, from 0 to reach. */
  magnitudes(): Float64Array {
    return Float64Array.from({ length: BINS }, (_, i) => {
      return (this.counts[BINS + i] as number) + (this.counts[BINS - 1 - i] as number);
    });
  }

  /** The range, cut at a magnitude. */
  cutAt(magnitude: number): Range {
    return { low: Math.max(this.range.low, -magnitude), high: Math.min(this.range.high, magnitude) };
  }
}
