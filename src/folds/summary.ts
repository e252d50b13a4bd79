import { type Estimate, estimate } from "../ablation/output/statistics.js";
import { KnackError } from "../base/errors.js";
import { quoted } from "../base/printable.js";
import { metricsFor } from "../metrics/index.js";
import { descriptionOf, type MetricDescription } from "../metrics/metric.js";
import type { FoldPredictions } from "./fold-predictions.js";

/** One fold: what it came to, or why it came to nothing. */
export type FoldOutcome = { readonly fold: number; readonly seconds: number } & (
  | { readonly predictions: FoldPredictions }
  | { readonly diverged: string }
);

/** What `summary.json` holds. Fractions of 1. */
export interface FoldsSummary {
  readonly data: string;
  readonly folds: readonly FoldFigures[];
  readonly classes: readonly string[];
  /** Over the folds: the mean and its 95 % interval. */
  readonly metrics: readonly (MetricDescription & Estimate)[];
  /** Images that were predicted by a network that had not seen them. */
  readonly images: number;
}

export interface FoldFigures {
  readonly fold: number;
  readonly seconds: number;
  /** Why there are no figures. */
  readonly diverged: string | null;
  readonly epoch: number | null;
  readonly images: number;
  /** Held out, but not to be read. */
  readonly unread: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * @param data their description
 * @throws KnackError where an image is in two folds: the data were changed meanwhile
 */
export function summarize(data: string, outcomes: readonly FoldOutcome[]): FoldsSummary {
  const found = outcomes.flatMap((outcome) => ("predictions" in outcome ? [outcome.predictions] : []));
  requireApart(found);
  const classes = found[0]?.classes ?? [];
  const labels = found.flatMap(({ images }) => images.map(({ label }) => label));
  const metrics = metricsFor({ classes: classes.length, labels }).flatMap((metric) => {
    const values = found.map((each) => each.metrics[metric.name]).filter((value) => value !== undefined);
    return values.length === 0 ? [] : [{ ...descriptionOf(metric), ...estimate(values) }];
  });
  const images = found.reduce((sum, each) => sum + each.images.length, 0);
  return { data, folds: outcomes.map(figuresOf), classes, metrics, images };
}

function figuresOf(outcome: FoldOutcome): FoldFigures {
  const { fold, seconds } = outcome;
  if ("diverged" in outcome) {
    return { fold, seconds, diverged: outcome.diverged, epoch: null, images: 0, unread: 0, metrics: {} };
  }
  const { epoch, images, held, metrics } = outcome.predictions;
  return { fold, seconds, diverged: null, epoch, images: images.length, unread: held - images.length, metrics };
}

function requireApart(found: readonly FoldPredictions[]): void {
  const seen = new Set<string>();
  for (const { images } of found) {
    for (const { name } of images) {
      if (seen.has(name)) {
        throw new KnackError(
          `the folds are not of the same data: ${quoted(name, 200)} is in two of them; train them anew in another --out`,
        );
      }
      seen.add(name);
    }
  }
}
