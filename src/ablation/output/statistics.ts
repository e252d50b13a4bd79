import jstat from "jstat";

/** A mean over seeds. */
export interface Estimate {
  readonly mean: number;
  /** The 95 % interval of the mean by Student's t; null with one value, which says nothing about its spread. */
  readonly ci95: readonly [low: number, high: number] | null;
}

/** Whether a row is better than what it is compared with: only where the interval of the difference excludes 0. */
export type Verdict = "helps" | "hurts" | "unclear";

const CONFIDENCE = 0.95;
const POWER = 0.8;
/** More seeds than anybody trains. */
const MOST_SEEDS = 1000;

/** mean ± t(0.975, n - 1) s / sqrt(n), s the standard deviation with n - 1. */
export function estimate(values: readonly number[]): Estimate {
  const mean = meanOf(values);
  if (values.length < 2) return { mean, ci95: null };
  const half = quantile((1 + CONFIDENCE) / 2, values.length) * standardError(values);
  return { mean, ci95: [mean - half, mean + half] };
}

/** @param differences one a seed, better minus worse being above 0 */
export function verdictOf(differences: readonly number[]): Verdict {
  if (differences.length === 0) return "unclear";
  const { ci95 } = estimate(differences);
  if (ci95 === null) return "unclear";
  if (ci95[0] > 0) return "helps";
  return ci95[1] < 0 ? "hurts" : "unclear";
}

/**
 * How many seeds it takes to tell a difference like the observed one from 0: the smallest n >= 2 with
 *
 *     (t(0.975, n - 1) + t(0.8, n - 1)) s / sqrt(n) <= |mean|
 *
 * so that, were the observed mean and standard deviation the true ones, four ablations of five would find it (a paired t test at
 * 5 %, power 80 %). Null where no number up to 1000 does, or one value does not show the spread.
 */
export function seedsToTell(differences: readonly number[]): number | null {
  if (differences.length < 2) return null;
  const mean = Math.abs(meanOf(differences));
  const deviation = deviationOf(differences);
  for (let seeds = 2; seeds <= MOST_SEEDS; seeds++) {
    const quantiles = quantile((1 + CONFIDENCE) / 2, seeds) + quantile(POWER, seeds);
    if (mean > 0 && (quantiles * deviation) / Math.sqrt(seeds) <= mean) return seeds;
  }
  return null;
}

/** The p-quantile of Student's t for a mean of so many values. */
function quantile(p: number, values: number): number {
  return jstat.studentt.inv(p, values - 1);
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [below = 0, above = 0] =
    sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1, middle + 1);
  return (below + above) / 2;
}

function standardError(values: readonly number[]): number {
  return deviationOf(values) / Math.sqrt(values.length);
}

function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
