/** Means, intervals and verdicts against SciPy's figures. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { estimate, medianOf, seedsToTell, verdictOf } from "../../../src/ablation/output/statistics.js";

/** What `python3 test/python/ablation_statistics.py` printed with SciPy 1.10.1: [mean, low, high], and [seeds, their power] or null. */
const REFERENCE: readonly { values: number[]; estimate: number[]; seedsToTell: number[] | null }[] = [
  {
    values: [0.9012, 0.8987, 0.9034],
    estimate: [0.9011, 0.8952583136725887, 0.9069416863274113],
    seedsToTell: [2, 1.0],
  },
  {
    values: [0.71, 0.69, 0.74, 0.7, 0.72, 0.73, 0.68],
    estimate: [0.7099999999999999, 0.6900210484163004, 0.7299789515836993],
    seedsToTell: [2, 0.9997344849149913],
  },
  {
    values: [0.0089, 0.0068, 0.0085],
    estimate: [0.008066666666666666, 0.005296732441253957, 0.010836600892079376],
    seedsToTell: [3, 0.9995496274302715],
  },
  {
    values: [0.01, 0.0, -0.01, 0.02, 0.0, 0.02, 0.01],
    estimate: [0.0071428571428571435, -0.003147876337862992, 0.01743359062357728],
    seedsToTell: [22, 0.8188223495928054],
  },
  {
    values: [0.01, -0.02, 0.03],
    estimate: [0.006666666666666665, -0.05584942812944217, 0.06918276146277551],
    seedsToTell: [114, 0.8007633913958366],
  },
  {
    values: [0.001, 0.004, -0.002, 0.003],
    estimate: [0.0015, -0.002709980742299251, 0.0057099807422992515],
    seedsToTell: [27, 0.8093902124714327],
  },
  {
    values: [0.01, -0.011, 0.0002],
    estimate: [-0.0002666666666666664, -0.02636942656146173, 0.0258360932281284],
    seedsToTell: null,
  },
];

for (const { values, estimate: reference, seedsToTell: needed } of REFERENCE) {
  test(`mean, interval and seeds needed of ${values.join(", ")}`, () => {
    const { mean, ci95 } = estimate(values);
    for (const [index, figure] of [mean, ...(ci95 ?? [])].entries()) {
      assert.ok(Math.abs(figure - (reference[index] ?? Number.NaN)) < 1e-9, `${figure} is not ${reference[index]}`);
    }
    assert.equal(seedsToTell(values), needed?.[0] ?? null);
    // The formula is an approximation; the exact power of that many seeds is hardly below what it promises.
    if (needed) assert.ok((needed[1] ?? 0) >= 0.8, String(needed));
  });
}

test("a verdict only where the interval excludes 0", () => {
  assert.equal(verdictOf([0.0089, 0.0068, 0.0085]), "helps");
  assert.equal(verdictOf([-0.0089, -0.0068, -0.0085]), "hurts");
  assert.equal(verdictOf([0.01, -0.02, 0.03]), "unclear");
  assert.equal(verdictOf([0.5]), "unclear", "one seed shows no spread");
  assert.equal(verdictOf([]), "unclear");
  assert.equal(verdictOf([0, 0, 0]), "unclear");
  assert.equal(verdictOf([0.25, 0.25, 0.25]), "helps");
});

test("one value has no interval, and no difference needs no number of seeds", () => {
  assert.deepEqual(estimate([0.5]), { mean: 0.5, ci95: null });
  assert.equal(seedsToTell([0.5]), null);
  assert.equal(seedsToTell([0, 0, 0]), null);
});

test("medians", () => {
  assert.equal(medianOf([3, 1, 2]), 2);
  assert.equal(medianOf([4, 1, 2, 3]), 2.5);
  assert.equal(medianOf([7]), 7);
});
