/** The tricks' equations on examples small enough to work by hand. Their effect on training is test/parity.test.ts's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createModel } from "../../src/models/registry.js";
import { backward, gradientOf } from "../../src/tensor/autograd.js";
import { requireGradient } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { distillationLoss } from "../../src/tricks/distillation.js";
import { type LabelSmoothing, smoothLabels } from "../../src/tricks/label-smoothing.js";
import { drawMixup, mixupBatch } from "../../src/tricks/mixup.js";
import { decayGroups } from "../support/decay-groups.js";
import { zeroGammas } from "../../src/tricks/zero-gamma.js";

function near(actual: readonly number[], expected: readonly number[], tolerance = 1e-6): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) {
    assert.ok(Math.abs(value - (expected[i] ?? Number.NaN)) <= tolerance, `${actual} is not ${expected}`);
  }
}

test("label smoothing: epsilon over the other classes (the paper), or over all (the libraries)", () => {
  scope(() => {
    const hard = Tensor.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0], [2, 5]);
    const rows = (smoothing: LabelSmoothing) => smoothLabels(hard, smoothing).toArray();
    near(rows({ epsilon: 0.1, spread: "others" }), [0.025, 0.025, 0.9, 0.025, 0.025, 0.9, 0.025, 0.025, 0.025, 0.025]);
    near(rows({ epsilon: 0.1, spread: "all" }), [0.02, 0.02, 0.92, 0.02, 0.02, 0.92, 0.02, 0.02, 0.02, 0.02]);
    // A distribution is smoothed share by share: half of each of two.
    near(
      smoothLabels(Tensor.from([0.5, 0.5, 0, 0, 0], [1, 5]), { epsilon: 0.1, spread: "others" }).toArray(),
      [0.4625, 0.4625, 0.025, 0.025, 0.025],
    );
  });
});

test("mixup: x^ = lambda xi + (1 - lambda) xj, and the targets alike, with the partner each pairing names", () => {
  scope(() => {
    const images = Tensor.from([0, 10, 20], [3, 1, 1, 1]);
    const targets = Tensor.from([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const draw = { lambda: 0.75, seed: 7 };
    const mixed = (pairing: "permute" | "reverse" | "roll") =>
      mixupBatch(images, targets, { alpha: 0.2, pairing }, draw);
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

test("distillation: T^2 l(softmax(r / T), softmax(z / T)), and the same gradient by KL", () => {
  scope(() => {
    const [teacher, T] = [[Math.log(3) * 2, 0], 2];
    // softmax(r / T) = (3/4, 1/4); z = 0 gives (1/2, 1/2): l = ln 2, KL = ln 2 - H(3/4, 1/4).
    const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
    const results = (["cross-entropy", "kl"] as const).map((loss) => {
      const student = requireGradient(Tensor.from([0, 0], [1, 2]), true);
      const value = distillationLoss(student, Tensor.from(teacher, [1, 2]), { temperature: T, loss });
      backward(value);
      return { value: value.item(), gradient: gradientOf(student)?.toArray() ?? [] };
    });
    near([results[0]?.value ?? 0, results[1]?.value ?? 0], [4 * Math.LN2, 4 * (Math.LN2 - entropy)], 1e-5);
    // d/dz of T^2 l = T (softmax(z / T) - softmax(r / T)) = 2 (-1/4, 1/4)
    for (const { gradient } of results) near(gradient, [-0.5, 0.5]);
  });
});

test("zero gamma: the last BN of every residual block, and no other", () => {
  using bottleneck = createModel("resnet50d_small", { classes: 10, inChannels: 3 }, { width: 4 });
  const zeroed = zeroGammas(bottleneck);
  const blocks = [3, 4, 6, 3].flatMap((count, stage) =>
    Array.from({ length: count }, (_, block) => `layer${stage + 1}.${block}.bn3.weight`),
  );
  assert.deepEqual(zeroed, blocks);
  for (const [name, parameter] of bottleneck.parameters()) {
    if (!/(bn\d|conv1\.[14]|downsample\.2)\.weight$/.test(name)) continue;
    assert.ok(
      parameter.toArray().every((gamma) => gamma === (blocks.includes(name) ? 0 : 1)),
      name,
    );
  }
  using basic = createModel("resnet18_small", { classes: 10, inChannels: 1 }, { width: 4 });
  assert.ok(zeroGammas(basic).every((name) => /^layer\d\.\d\.bn2\.weight$/.test(name)));
});

test("no bias decay: exactly the weights of convolutions and of the fully connected layer decay", () => {
  using model = createModel("resnet50d", { classes: 10, inChannels: 3 }, { width: 4 });
  const { decayed, undecayed } = decayGroups(model);
  const names = Array.from(model.parameters(), ([name]) => name);
  const shapes = new Map(Array.from(model.parameters(), ([name, parameter]) => [name, parameter.shape.length]));
  // timm's rule, which gives the same set for these networks: one-dimensional parameters do not decay.
  assert.deepEqual(
    [...decayed.keys()],
    names.filter((name) => shapes.get(name) !== 1),
  );
  assert.deepEqual(
    [...undecayed.keys()],
    names.filter((name) => shapes.get(name) === 1),
  );
  assert.ok(undecayed.has("fc.bias") && decayed.has("fc.weight") && undecayed.has("layer1.0.downsample.2.weight"));
});
