/** Which magnitudes to cut off so that few steps say most: the search for the least relative entropy that TensorRT's calibration made known. */
import { BINS, type Histogram } from "./histogram.js";
import type { Range } from "./integers.js";

/** The numbers of bins that are tried are these far apart. */
const STRIDE = 16;

/** The range whose distribution, said in the steps that an integer has, is nearest to the observed one in Kullback and Leibler's measure. */
export function leastEntropyRange(histogram: Histogram): Range {
  // Of numbers on both sides of 0 each side has half of the steps.
  const steps = histogram.range.low < 0 && histogram.range.high > 0 ? 128 : 256;
  const counts = histogram.magnitudes();
  let best = { divergence: Number.POSITIVE_INFINITY, bins: BINS };
  for (let bins = steps; bins <= BINS; bins += STRIDE) {
    const divergence = divergenceAt(counts, bins, steps);
    if (divergence < best.divergence) best = { divergence, bins };
  }
  return histogram.cutAt((best.bins / BINS) * histogram.reach);
}

/**
 * The relative entropy of what is left of the counts when all beyond the first `bins` fall onto the last of them, against the same bins
 * joined to `steps` equal ones, each spread evenly over those of its bins that hold something. Where the last holds nothing but what fell
 * onto it, the steps are taken to have one there.
 */
export function divergenceAt(counts: Float64Array, bins: number, steps: number): number {
  const kept = counts.subarray(0, bins);
  const inside = sum(kept);
  if (inside === 0) return Number.POSITIVE_INFINITY;
  const beyond = sum(counts.subarray(bins));
  const total = inside + beyond;
  let divergence = 0;
  for (let step = 0; step < steps; step++) {
    const [from, to] = [Math.floor((step * bins) / steps), Math.floor(((step + 1) * bins) / steps)];
    const joined = kept.subarray(from, to);
    const filled = joined.reduce((count, value) => count + Number(value > 0), 0);
    const even = sum(joined) / filled / inside;
    for (const [i, value] of joined.entries()) {
      const truly = (value + (from + i === bins - 1 ? beyond : 0)) / total;
      if (truly > 0) divergence += truly * Math.log(truly / (value > 0 ? even : 1 / inside));
    }
  }
  return divergence;
}

function sum(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0);
}
