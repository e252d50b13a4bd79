/** Metrics of images that may show several classes against scikit-learn's, from logits on: test/python/scikit_learn_label_sets.py made them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { intervalsOf } from "../../src/metrics/bootstrap.js";
import { classFiguresOf } from "../../src/metrics/class-figures.js";
import { measured, metricsFor } from "../../src/metrics/index.js";
import { LABEL_SET_METRICS } from "../../src/metrics/several/index.js";
import { labelSetOutcomes } from "../../src/metrics/several/label-set-outcomes.js";
import { bestThreshold } from "../../src/metrics/several/thresholds.js";
import { labelSetsOf } from "../support/label-sets.js";
import { repositoryRoot } from "../support/oracle.js";

type Figure = "precision" | "recall" | "f1" | "averagePrecision" | "auroc";

interface Case {
  readonly name: string;
  readonly shown: readonly (readonly number[])[];
  readonly logits: readonly (readonly number[])[];
  readonly thresholds: readonly number[];
  readonly weights: readonly number[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly classes: readonly Readonly<Record<Figure | "best", number | null>>[];
}

const file = join(repositoryRoot, "test/metrics/several-labels.json");
const { cases }: { cases: readonly Case[] } = JSON.parse(readFileSync(file, "utf8"));

function outcomesOf({ shown, logits, weights }: Case, thresholds?: readonly number[]) {
  const classes = shown[0]?.length ?? 0;
  const outcomes = labelSetOutcomes(Float32Array.from(logits.flat()), { ...labelSetsOf(shown), classes }, thresholds);
  return { ...outcomes, weights: Float64Array.from(weights) };
}

function near(value: number | undefined, wanted: number | null | undefined, what: string): void {
  if (typeof wanted !== "number") assert.ok(value === undefined || Number.isNaN(value), `${what}: ${value}`);
  else assert.ok(Math.abs((value ?? Number.NaN) - wanted) < 1e-9, `${what}: ${value}, and scikit-learn says ${wanted}`);
}

for (const each of cases) {
  test(`the metrics of several labels are scikit-learn's: ${each.name}`, () => {
    const outcomes = outcomesOf(each, each.thresholds);
    const values = measured(outcomes);
    // Where nothing is shown and nothing taken, scikit-learn has 0 for the mean of no classes, and knack no value.
    for (const { name } of LABEL_SET_METRICS) near(values[name], each.metrics[name], name);
    for (const [label, figures] of classFiguresOf(outcomes).entries()) {
      for (const key of ["precision", "recall", "f1", "averagePrecision", "auroc"] as const)
        near(figures[key], each.classes[label]?.[key], `${key} of class ${label}`);
    }
  });
}

test("no metric of several labels is without a value to be held against", () => {
  for (const { name } of LABEL_SET_METRICS) assert.ok(cases.filter(({ metrics }) => name in metrics).length > 1, name);
});

test("thresholds that nobody gave are those of each class's highest F1", () => {
  for (const each of cases.filter(({ weights }) => weights.every((weight) => weight === 1))) {
    const outcomes = outcomesOf(each);
    for (const [label, { f1 }] of classFiguresOf(outcomes).entries()) {
      const { best = null } = each.classes[label] ?? {};
      if (best === null) assert.equal(outcomes.thresholds[label], 0.5);
      else near(f1, best, `the highest F1 of class ${label}, ${each.name}`);
    }
  }
});

test("a threshold lies halfway to the next lower probability; of equally good ones it is the highest", () => {
  const of = (probabilities: readonly number[], shown: readonly number[]) =>
    bestThreshold(Float64Array.from(probabilities), (image) => shown.includes(image));
  assert.ok(Math.abs(of([0.9, 0.7, 0.3, 0.1], [0, 1]) - 0.5) < 1e-12);
  assert.ok(Math.abs(of([0.4, 0.2], [0, 1]) - 0.1) < 1e-12, "half of the lowest, where all are taken");
  // F1 is 2/3 with the first alone and with all four.
  assert.ok(Math.abs(of([0.9, 0.6, 0.4, 0.2], [0, 3]) - 0.75) < 1e-12);
  // Equal probabilities are taken together: (2 x 1) / (1 + 2).
  assert.ok(Math.abs(of([0.8, 0.8, 0.2], [1]) - 0.5) < 1e-12);
});

test("an interval holds its value, and a metric without one is left out of what is shown", () => {
  const [first, , , , , none] = cases as [Case, Case, Case, Case, Case, Case];
  const outcomes = outcomesOf(first);
  const [values, intervals] = [measured(outcomes), intervalsOf(outcomes, LABEL_SET_METRICS)];
  assert.equal(intervals.size, LABEL_SET_METRICS.length);
  for (const [name, [low, high]] of intervals) assert.ok(low < (values[name] ?? 0) && (values[name] ?? 0) < high, name);
  const names = metricsFor(outcomesOf(none)).map(({ name }) => name);
  assert.deepEqual(names, ["macro-f1", "loss", "micro-f1", "exact-match"]);
});
