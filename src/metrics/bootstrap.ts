import { randomFor } from "../tensor/random.js";
import { valuesOf } from "./index.js";
import type { Metric } from "./metric.js";
import type { Evaluated } from "./outcomes.js";

export type Interval = readonly [low: number, high: number];

/** As many draws as that, of images altogether, take seconds. */
const MOST_DRAWS = 2e7;
const MOST_SAMPLES = 1000;
const FEWEST_SAMPLES = 100;
/** Of more scores no interval is found: it would take long. */
const MOST_RESAMPLED_SCORES = 2 ** 20;

/**
 * 95 % intervals of metrics by the percentile bootstrap (Efron 1979): what they are on as many images, drawn with replacement from those evaluated, and
 * between which values 95 % of 1,000 such samples are (of more than 20,000 images fewer samples). They tell how far chance in the choice of the images goes, and nothing
 * of training anew.
 *
 * @returns by the metrics' names; without those that have no value, or that repeated images shift
 */
export function intervalsOf<Of extends Evaluated>(
  outcomes: Of,
  metrics: readonly Metric<Of>[],
): ReadonlyMap<string, Interval> {
  const images = outcomes.labels.length;
  const samples = Math.max(FEWEST_SAMPLES, Math.min(MOST_SAMPLES, Math.floor(MOST_DRAWS / images)));
  const scored = images * outcomes.classes <= MOST_RESAMPLED_SCORES;
  const all = scored ? outcomes : { ...outcomes, scores: undefined };
  const resampled = metrics.filter(({ shiftedByRepeats }) => shiftedByRepeats !== true);
  const random = randomFor(0, "bootstrap");
  const found = Array.from({ length: samples }, () => {
    const weights = new Float64Array(images);
    for (let draw = 0; draw < images; draw++) {
      const image = random.integer(images);
      weights[image] = (weights[image] as number) + 1;
    }
    return valuesOf({ ...all, weights }, resampled);
  });
  return new Map(
    resampled.flatMap(({ name }): [string, Interval][] => {
      const values = found.map((value) => value[name] ?? Number.NaN).filter((value) => !Number.isNaN(value));
      const sorted = Float64Array.from(values).sort();
      return sorted.length === 0 ? [] : [[name, [quantileOf(sorted, 0.025), quantileOf(sorted, 0.975)]]];
    }),
  );
}

/** Between two values linearly, as NumPy's. @param sorted at least one value, rising */
export function quantileOf(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below], sorted[Math.min(below + 1, sorted.length - 1)]] as [number, number];
  return low + (place - below) * (high - low);
}
