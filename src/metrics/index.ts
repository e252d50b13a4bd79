import { auroc } from "./auroc.js";
import { averagePrecision } from "./average-precision.js";
import { balancedAccuracy } from "./balanced-accuracy.js";
import { ece } from "./ece.js";
import { kappa } from "./kappa.js";
import { linearKappa } from "./linear-kappa.js";
import { loss } from "./loss.js";
import { macroF1 } from "./macro-f1.js";
import type { Metric, MetricValues } from "./metric.js";
import type { Outcomes, Truth } from "./outcomes.js";
import { quadraticKappa } from "./quadratic-kappa.js";
import { top1 } from "./top-1.js";
import { top5 } from "./top-5.js";
import { weightedF1 } from "./weighted-f1.js";

/** What every evaluation measures, in the order in which it is shown. A new metric is a file beside these and a line here. */
export const METRICS: readonly Metric[] = [
  top1,
  top5,
  loss,
  balancedAccuracy,
  macroF1,
  weightedF1,
  auroc,
  averagePrecision,
  kappa,
  linearKappa,
  quadraticKappa,
  ece,
];

/** Their names: what a recipe's `select` can be. */
export const METRIC_NAMES: readonly string[] = METRICS.map(({ name }) => name);

/** The metric of a recipe's `select`. */
export function metricNamed(name: string): Metric {
  const found = METRICS.find((metric) => metric.name === name);
  if (found === undefined) throw new Error(`there is no metric "${name}"`);
  return found;
}

/** Why a metric has no value for images of these labels, or none that says anything; undefined where it has. */
export function whyNot({ saysAnythingFor, undefinedFor }: Metric, truth: Truth): string | undefined {
  if (saysAnythingFor?.(truth.classes) === false) return `it says nothing where there are ${truth.classes} classes`;
  return undefinedFor?.(truth);
}

/** Those that have a value for such images that says anything: what people are shown. */
export function metricsFor(truth: Truth): Metric[] {
  return METRICS.filter((metric) => whyNot(metric, truth) === undefined);
}

/** The value of each metric that has one, also where it says nothing for so few classes. */
export function valuesOf(outcomes: Outcomes, metrics: readonly Metric[] = METRICS): MetricValues {
  const defined = metrics.filter(({ undefinedFor }) => undefinedFor?.(outcomes) === undefined);
  return Object.fromEntries(defined.map(({ name, value }) => [name, value(outcomes)]));
}
