import { leastEntropyRange } from "./entropy.js";
import { BINS, type Histogram } from "./histogram.js";
import type { Range } from "./integers.js";

/** A way to choose a tensor's range from what was seen of it. */
export interface Method {
  readonly name: string;
  rangeOf(histogram: Histogram): Range;
}

/** All that are tried, the plainest first, which is taken where several are as good. */
export const METHODS: readonly Method[] = [
  { name: "minimum and maximum", rangeOf: ({ range }) => range },
  { name: "percentile 99.99", rangeOf: (histogram) => percentileRange(histogram, 0.9999) },
  { name: "percentile 99.9", rangeOf: (histogram) => percentileRange(histogram, 0.999) },
  { name: "entropy", rangeOf: leastEntropyRange },
];

/** As far as the magnitude that a share of all numbers do not pass, to a bin. */
export function percentileRange(histogram: Histogram, share: number): Range {
  const counts = histogram.magnitudes();
  const wanted = share * counts.reduce((a, b) => a + b, 0);
  let seen = 0;
  const bin = counts.findIndex((count) => {
    seen += count;
    return seen >= wanted;
  });
  return histogram.cutAt(((bin + 1) / BINS) * histogram.reach);
}
