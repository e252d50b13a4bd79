import assert from "node:assert/strict";

/** Fails where numbers differ by more than the tolerance. */
export function near(actual: readonly number[], expected: readonly number[], tolerance = 1e-6): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) {
    if (Math.abs(value - (expected[i] ?? Number.NaN)) <= tolerance) continue;
    assert.fail(`number ${i}: ${value} is not ${expected[i]}`);
  }
}
