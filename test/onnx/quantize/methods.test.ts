/** Ranges from what was seen of a tensor, against values worked out by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { divergenceAt, leastEntropyRange } from "../../../src/onnx/quantize/entropy.js";
import { BINS, Histogram } from "../../../src/onnx/quantize/histogram.js";
import { METHODS, percentileRange } from "../../../src/onnx/quantize/methods.js";
import { randomFor } from "../../../src/tensor/random.js";
import { near } from "../../support/near.js";

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram({ low: Math.min(0, ...values), high: Math.max(0, ...values) });
  histogram.add(Float32Array.from(values));
  return histogram;
}

test("a histogram counts every number but exact zeros once, by its sign and size", () => {
  const histogram = histogramOf([-1, -0.5, 0, 0, 0.5, 0.75, 2]);
  const filled = [...histogram.counts.entries()].filter(([, count]) => count > 0);
  assert.deepEqual(filled, [
    [BINS / 2, 1],
    [(BINS * 3) / 4, 1],
    [BINS + BINS / 4, 1],
    [BINS + (BINS * 3) / 8, 1],
    [2 * BINS - 1, 1],
  ]);
  const magnitudes = [...histogram.magnitudes().entries()].filter(([, count]) => count > 0);
  assert.equal(
    magnitudes.reduce((sum, [, count]) => sum + count, 0),
    5,
  );
});

test("the percentile's range leaves out the numbers beyond it, on both sides of 0, and never grows", () => {
  const values = Array.from({ length: 999 }, (_, i) => (i % 2 === 0 ? 1 : -1) * ((i + 1) / 1000));
  const { low, high } = percentileRange(histogramOf([...values, 100]), 0.999);
  near([low, high], [-0.998, 1], 100 / BINS);
  const whole = percentileRange(histogramOf([...values, 100]), 1);
  near([whole.low, whole.high], [-0.998, 100], 1e-6);
});

test("relative entropy of a few bins, by hand", () => {
  // Bins 3, 1 | 2, 2 of 8 numbers as two steps: each bin of a step as its mean. 3/8 ln(3/2) + 1/8 ln(1/2) + 0 + 0.
  const expected = (3 / 8) * Math.log(3 / 2) + (1 / 8) * Math.log(1 / 2);
  near([divergenceAt(Float64Array.of(3, 1, 2, 2), 4, 2)], [expected], 1e-12);
  // An empty bin takes no part of its step's mean.
  near([divergenceAt(Float64Array.of(4, 0, 2, 2), 4, 2)], [0], 1e-12);
  // Cut to two bins: the 4 numbers beyond fall onto the second: P = 3/8, 5/8; Q = 3/4, 1/4.
  const cut = (3 / 8) * Math.log(3 / 8 / (3 / 4)) + (5 / 8) * Math.log(5 / 8 / (1 / 4));
  near([divergenceAt(Float64Array.of(3, 1, 2, 2), 2, 2)], [cut], 1e-12);
  // Onto an empty one: P = 3/7, 4/7; Q = 3/3, 1/3.
  const ontoEmpty = (3 / 7) * Math.log(3 / 7) + (4 / 7) * Math.log((4 / 7) * 3);
  near([divergenceAt(Float64Array.of(3, 0, 2, 2), 2, 2)], [ontoEmpty], 1e-12);
  assert.equal(divergenceAt(Float64Array.of(0, 0, 2, 2), 2, 2), Number.POSITIVE_INFINITY);
});

test("entropy keeps a range whose numbers are all as frequent, and cuts off a few far ones of many", () => {
  const even = Array.from({ length: 2 * BINS }, (_, i) => ((i % BINS) + 0.5) / BINS);
  const whole = histogramOf([...even, 1]);
  assert.ok(leastEntropyRange(whole).high > 0.99);

  const random = randomFor(1, "normal");
  const normal = Array.from(
    { length: 20_000 },
    () => Array.from({ length: 12 }, () => random.uniform()).reduce((a, b) => a + b) - 6,
  );
  const { low, high } = leastEntropyRange(histogramOf([...normal, 60]));
  assert.ok(high > 2 && high < 15, `${high}`);
  assert.ok(low < -2 && low > -15, `${low}`);
});

test("every method: a tensor that is always 0 has the range 0 to 0", () => {
  for (const { name, rangeOf } of METHODS) {
    const { low, high } = rangeOf(histogramOf([0, 0, 0]));
    assert.deepEqual([low + 0, high + 0], [0, 0], name);
  }
});
