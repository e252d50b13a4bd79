/** Every metric against scikit-learn's, from logits on: test/python/scikit_learn_metrics.py says how its values were made. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { intervalsOf, quantileOf } from "../../src/metrics/bootstrap.js";
import { classFiguresOf } from "../../src/metrics/class-figures.js";
import { measured, METRICS, valuesOf, whyNot } from "../../src/metrics/index.js";
import { outcomesFrom } from "../support/outcomes.js";
import { repositoryRoot } from "../support/oracle.js";

const METRIC_NAMES = METRICS.map(({ name }) => name);

interface Case {
  readonly name: string;
  readonly labels: readonly number[];
  readonly weights: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly classes: readonly Readonly<
    Record<"precision" | "recall" | "f1" | "auroc" | "averagePrecision", number | null>
  >[];
}

const file = join(repositoryRoot, "test/metrics/scikit-learn.json");
const { cases }: { cases: readonly Case[] } = JSON.parse(readFileSync(file, "utf8"));

function outcomesOf({ logits, labels, weights }: Case) {
  const rows = labels.map((label, image) => ({ label, logits: logits[image] ?? [] }));
  return { ...outcomesFrom(rows), weights: Float64Array.from(weights) };
}

function near(value: number | undefined, wanted: number | null | undefined, what: string): void {
  if (typeof wanted !== "number") assert.ok(value === undefined || Number.isNaN(value), `${what}: ${value}`);
  else assert.ok(Math.abs((value ?? Number.NaN) - wanted) < 1e-9, `${what}: ${value}, and scikit-learn says ${wanted}`);
}

for (const each of cases) {
  test(`the metrics are scikit-learn's: ${each.name}`, () => {
    const outcomes = outcomesOf(each);
    const values = valuesOf(
      outcomes,
      METRICS.filter((metric) => whyNot(metric, outcomes) === undefined),
    );
    for (const name of METRIC_NAMES) near(values[name], each.metrics[name], name);
    for (const [label, figures] of classFiguresOf(outcomes).entries()) {
      const wanted = each.classes[label];
      for (const key of ["precision", "recall", "f1", "auroc", "averagePrecision"] as const)
        near(figures[key], wanted?.[key], `${key} of class ${label}`);
    }
  });
}

test("no metric is without a value to be held against", () => {
  for (const name of METRIC_NAMES) assert.ok(cases.filter(({ metrics }) => name in metrics).length > 1, name);
});

test("a quantile lies between two values as numpy.quantile's", () => {
  const values = Float64Array.from([1, 2, 4, 8]);
  const found = [0, 0.025, 0.5, 0.975, 1].map((share) => quantileOf(values, share));
  for (const [at, wanted] of [1, 1.075, 3, 7.7, 8].entries()) assert.ok(Math.abs((found[at] ?? 0) - wanted) < 1e-12);
});

test("the interval of a share is the binomial's: 250 images, 80 % right", () => {
  const rows = Array.from({ length: 250 }, (_, image) => ({ logits: image % 5 === 0 ? [0, 1] : [1, 0], label: 0 }));
  const outcomes = outcomesFrom(rows);
  const [low, high] = intervalsOf(outcomes, METRICS).get("top-1") ?? [0, 0];
  const half = 1.96 * Math.sqrt((0.8 * 0.2) / 250);
  assert.ok(Math.abs(low - (0.8 - half)) < 0.01 && Math.abs(high - (0.8 + half)) < 0.01, `${low} to ${high}`);
  assert.deepEqual(intervalsOf(outcomes, METRICS), intervalsOf(outcomes, METRICS), "the same each time");
});

test("an interval holds the value that it is of; what repeated images shift has none", () => {
  const outcomes = outcomesOf(cases[0] as Case);
  const [values, intervals] = [measured(outcomes), intervalsOf(outcomes, METRICS)];
  assert.deepEqual(
    [...intervals.keys()],
    METRIC_NAMES.filter((name) => name !== "ece"),
  );
  for (const [name, [low, high]] of intervals) {
    const value = values[name] ?? Number.NaN;
    assert.ok(low < value && value < high && high - low < 1, `${name}: ${low} to ${high}, and the value ${value}`);
  }
});
