import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KnackError } from "../../src/base/errors.js";
import { permutation, randomFor, seedFor } from "../../src/tensor/random.js";

// Golden values: an implementation in Python of SHA-256 of the JSON key -> xoroshiro128+ (24, 16, 37).
test("golden values", () => {
  const random = randomFor(1, "augment", 0, 5);
  const uniform = [random.uniform(), random.uniform(), random.uniform()];
  assert.deepEqual(uniform, [0.40945947186323206, 0.7869670377185615, 0.5965537744205528]);
  assert.deepEqual(
    Array.from({ length: 8 }, () => random.integer(9)),
    [4, 0, 7, 1, 6, 7, 2, 4],
  );
  assert.deepEqual([...permutation(10, randomFor(0, "order", 0))], [8, 3, 4, 1, 0, 6, 2, 7, 9, 5]);
  assert.deepEqual([...permutation(10, randomFor(0, "order", 1))], [6, 9, 7, 1, 8, 0, 2, 4, 5, 3]);
  assert.equal(seedFor(7, "dropout"), 233865121);
});

test("keys that look alike are different keys", () => {
  const keys = [["a", 1], ["a", "1"], ["a1"], ["a", 1, 0], [1, "a"], ["a,1"]];
  assert.equal(new Set(keys.map((key) => seedFor(0, ...key))).size, keys.length);
  assert.throws(() => randomFor(0.5), KnackError);
  assert.throws(() => randomFor(0, Number.NaN), KnackError);
});

test("the first draws of neighbouring keys are uniform and uncorrelated", () => {
  const draws = Array.from({ length: 20000 }, (_, i) => randomFor(0, "augment", 0, i).uniform() - 0.5);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  assert(Math.abs(mean(draws)) < 0.01); // 5 standard errors
  assert(Math.abs(mean(draws.map((x) => x * x)) - 1 / 12) < 0.003);
  assert(Math.abs(mean(draws.map((x, i) => x * (draws[i - 1] ?? 0)))) < 0.003);
});

test("a permutation holds each number once", () => {
  fc.assert(
    fc.property(fc.nat(300), fc.integer(), (n, seed) => {
      const sorted = permutation(n, randomFor(seed, "order")).sort();
      assert.deepEqual(
        [...sorted],
        Array.from({ length: n }, (_, i) => i),
      );
    }),
  );
});
