import { auroc } from "./auroc.js";
import { averagePrecision } from "./average-precision.js";
import { balancedAccuracy } from "./balanced-accuracy.js";
import { ece } from "./ece.js";
import { kappa } from "./kappa.js";
import { linearKappa } from "./linear-kappa.js";
import { loss } from "./loss.js";
import { macroF1 } from "./macro-f1.js";
import type { Metric, MetricFacts, MetricValues } from "./metric.js";
import type { Evaluated, Outcomes, Truth } from "./outcomes.js";
import { quadraticKappa } from "./quadratic-kappa.js";
import { LABEL_SET_METRICS } from "./several/index.js";
import type { LabelSetOutcomes } from "./several/label-set-outcomes.js";
import { top1 } from "./top-1.js";
import { top5 } from "./top-5.js";
import { weightedF1 } from "./weighted-f1.js";

/** What every evaluation of images with one label each measures, in the order in which it is shown. A new metric is a file beside these and a line here. */
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

const ALL: readonly MetricFacts[] = [...METRICS, ...LABEL_SET_METRICS];

/** Their names, and those for several labels: what a recipe's `select` can be. */
export const METRIC_NAMES: readonly string[] = [...new Set(ALL.map(({ name }) => name))];

/** The metric of a recipe's `select`. */
export function metricNamed(name: string, metrics: readonly MetricFacts[] = ALL): MetricFacts {
  const found = metrics.find((metric) => metric.name === name);
  if (found === undefined) throw new Error(`there is no metric "${name}"`);
  return found;
}

/** Why a metric has no value for images of these labels, or none that says anything; undefined where it has. */
export function whyNot({ saysAnythingFor, undefinedFor }: MetricFacts, truth: Truth): string | undefined {
  if (saysAnythingFor?.(truth.classes) === false) return `it says nothing where there are ${truth.classes} classes`;
  return undefinedFor?.(truth);
}

/** Those that have a value for such images that says anything: what people are shown. */
export function metricsFor(truth: Truth): MetricFacts[] {
  const all: readonly MetricFacts[] = truth.labelSets ? LABEL_SET_METRICS : METRICS;
  return all.filter((metric) => whyNot(metric, truth) === undefined);
}

/** The value of each metric that has one, also where it says nothing for so few classes. */
export function valuesOf<Of extends Evaluated>(outcomes: Of, metrics: readonly Metric<Of>[]): MetricValues {
  const defined = metrics.filter(({ undefinedFor }) => undefinedFor?.(outcomes) === undefined);
  return Object.fromEntries(defined.map(({ name, value }) => [name, value(outcomes)]));
}

/** Of images with one label each, or with any number. */
export type AnyOutcomes = Outcomes | LabelSetOutcomes;

/** The value of each metric that is for such outcomes and has one. */
export function measured(outcomes: AnyOutcomes): MetricValues {
  return "labelSets" in outcomes ? valuesOf(outcomes, LABEL_SET_METRICS) : valuesOf(outcomes, METRICS);
}
