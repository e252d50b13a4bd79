/** Mixup on examples small enough to work by hand. Its effect on training is test/training/parity.test.ts's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { drawMixup, mixupBatch } from "../../src/tricks/mixup.js";
import { near } from "../support/near.js";

test("mixup: x^ = lambda xi + (1 - lambda) xj, and the targets alike, with the partner each pairing names", () => {
  scope(() => {
    const images = Tensor.from([0, 10, 20], [3, 1, 1, 1]);
    const targets = Tensor.from([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const draw = { lambda: 0.75, seed: 7 };
    const mixed = (pairing: "permute" | "reverse" | "roll") =>
      mixupBatch({ images, targets, shares: targets }, { alpha: 0.2, pairing }, draw);
    near(mixed("reverse").images.toArray(), [5, 10, 15]);
    near(mixed("reverse").targets.toArray(), [0.75, 0, 0.25, 0, 1, 0, 0.25, 0, 0.75]);
    near(mixed("roll").images.toArray(), [5, 7.5, 17.5]);
    near(mixed("roll").targets.toArray(), [0.75, 0, 0.25, 0.25, 0.75, 0, 0, 0.25, 0.75]);

    const permuted = mixed("permute");
    const partners = permuted.images.toArray().map((value, i) => (value - 0.75 * i * 10) / 0.25);
    near(
      [...partners].sort((a, b) => a - b),
      [0, 10, 20],
      1e-4,
    );
    const expected = partners.flatMap((partner, i) =>
      [0, 1, 2].map((k) => (k === i ? 0.75 : 0) + (k === Math.round(partner / 10) ? 0.25 : 0)),
    );
    near(permuted.targets.toArray(), expected);
    near(images.toArray(), [0, 10, 20]);
  });
});

test("mixup: lambda is drawn from Beta(alpha, alpha), the same for the same seed", () => {
  const draws = Array.from({ length: 4000 }, (_, seed) => drawMixup({ alpha: 0.2, pairing: "roll" }, seed).lambda);
  assert.ok(draws.every((lambda) => lambda >= 0 && lambda <= 1));
  const mean = draws.reduce((sum, lambda) => sum + lambda, 0) / draws.length;
  const variance = draws.reduce((sum, lambda) => sum + (lambda - mean) ** 2, 0) / draws.length;
  // Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)) = 0.17857. Four standard errors of 4000 draws.
  assert.ok(Math.abs(mean - 0.5) < 4 * Math.sqrt(0.17857 / 4000), `mean ${mean}`);
  assert.ok(Math.abs(variance - 0.17857) < 0.005, `variance ${variance}`);
  assert.equal(drawMixup({ alpha: 0.2, pairing: "roll" }, 3).lambda, draws[3]);
});
