/** Classes of unequal size: weights in the loss, balanced sampling. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { balancedOrder } from "../../src/data/sampling/epoch-order.js";
import { Loader } from "../../src/data/loading/loader.js";
import { SentBatch } from "../../src/training/sent-batch.js";
import { rawTensor } from "../../src/nn/state-dict.js";
import { backward, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { add, crossEntropy, flip, mulScalar, requireGradient } from "../../src/tensor/ops.js";
import { randomFor, seedFor } from "../../src/tensor/random.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { audit } from "../../src/run/audit.js";
import { classWeights, weightedTargets } from "../../src/tricks/class-balance.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { smoothLabels } from "../../src/tricks/label-smoothing.js";
import { drawMixup } from "../../src/tricks/mixup.js";
import { inputError } from "../support/input-error.js";
import { askPython } from "../support/oracle.js";
import { batchOf } from "../support/random-data.js";
import { near } from "../support/near.js";
import {
  BATCH,
  detailOf,
  floats,
  ofType,
  relabelled,
  scratchFolder,
  session,
  tiny,
  trainerOf,
  unequal,
} from "../support/tiny-training.js";

const at = scratchFolder("balance");

test("class weights, worked by hand; a class without images has none", () => {
  assert.deepEqual(
    [...classWeights(Int32Array.of(0, 0, 0, 1, 2, 0, 1, 0), 3)],
    [8 / 15, 8 / 6, 8 / 3].map(Math.fround),
  );
  assert.throws(() => classWeights(Int32Array.of(0, 2), 3), inputError(/classBalance: class 1 has no training image/));
  assert.throws(
    () =>
      trainerOf(
        { classBalance: "weights" },
        relabelled(3, (label) => label % 2),
      ),
    inputError(/class 2/),
  );
});

test("balancing classes that are equal is an error", () => {
  const equal = relabelled(2, (_, index) => index % 2);
  for (const classBalance of ["weights", "sampling"] as const) {
    using trainer = trainerOf({ classBalance }, equal);
    assert.throws(() => audit(trainer, "run"), inputError(/class-balance .*every class has 16 images/));
  }
});

test("the weighted loss is PyTorch's, each image's times the weight of its class, of a mixed one by their shares", () => {
  const weight = rawTensor(Tensor.from([...classWeights(unequal.train.labels, 2)]));
  const question = new Map([["weight", weight]]);
  const batch = batchOf(unequal, BATCH, 0);
  const labelSmoothing = { epsilon: 0.1, spread: "all" } as const; // as PyTorch smooths
  const mixup = { alpha: 1, pairing: "reverse" } as const;
  const all: RecipeInput[] = [{}, { labelSmoothing }, { mixup }, { labelSmoothing, mixup }];
  const losses = all.map((changes, at) => {
    using trainer = trainerOf({ ...changes, classBalance: "weights" }, unequal);
    using twin = trainerOf(changes, unequal);
    const { lambda } = changes.mixup ? drawMixup(mixup, seedFor(twin.recipe.seed, "mixup", 0, 0)) : { lambda: 1 };
    scope(() =>
      noGradient(() => {
        using sent = new SentBatch(batch, unequal.train, "cpu");
        const clean = sent.prepare().images;
        const images = add(mulScalar(clean, lambda), flip(clean, [0]), 1 - lambda);
        question.set(`logits.${at}`, rawTensor(twin.model.forward(images)));
      }),
    );
    question.set(`labels.${at}`, rawTensor(Tensor.from([...batch.labels])));
    question.set(`partners.${at}`, rawTensor(Tensor.from([...batch.labels].reverse())));
    question.set(`settings.${at}`, rawTensor(Tensor.from([lambda, changes.labelSmoothing ? 0.1 : 0])));
    return { weighted: trainer.step(batch, 0).labelLoss, plain: twin.step(batch, 0).labelLoss };
  });
  const expected = [...floats(askPython("weighted_loss.py", question).get("losses")?.data ?? new Uint8Array())];
  near(
    losses.map(({ weighted }) => weighted),
    expected,
    1e-5,
  );
  for (const { weighted, plain } of losses)
    assert.ok(Math.abs(weighted - plain) > 1e-3, "the weights make a difference");
});

test("what the loss is least for is the smoothed target itself, however unlike the weights are", () => {
  scope(() => {
    const shares = Tensor.from([1, 0, 0, 1, 0.7, 0.3], [3, 2]);
    const targets = smoothLabels(shares, { epsilon: 0.1, spread: "others" });
    const weights = Tensor.from([10 / 18, 5], [1, 2]);
    const logits = requireGradient(
      Tensor.from(
        targets.toArray().map((target) => Math.log(target) + 3),
        [3, 2],
      ),
      true,
    );
    backward(crossEntropy(logits, weightedTargets({ targets, shares }, weights)));
    near(gradientOf(logits)?.toArray() ?? [], Array(6).fill(0), 1e-6);
  });
});

test("9 : 1 classes that differ clearly are told apart with weights and label smoothing", async () => {
  const [count, side] = [80, 8];
  const labels = Int32Array.from({ length: count }, (_, index) => (index % 10 === 9 ? 1 : 0));
  const random = randomFor(0, "bright");
  const pixels = Uint8Array.from(
    { length: count * side * side * 3 },
    (_, i) => 60 + 100 * (labels[Math.floor(i / (side * side * 3))] ?? 0) + random.integer(30),
  );
  const set = { ...unequal.train, name: "bright", pixels, labels, count, height: side, width: side };
  const data = { train: set, validation: set, description: "dark and bright" };
  const recipe = tiny({ classBalance: "weights", labelSmoothing: {}, batchSize: 20, epochs: 20 });
  const epochs = ofType(await session({ data, recipe, out: at("bright") }), "epoch");
  assert.equal(epochs.at(-1)?.top1, 1, String(epochs.map(({ top1 }) => top1)));
});

test("balanced sampling: every class equally often, its images in turn, the same for the same seed and epoch", () => {
  const labels = Int32Array.from({ length: 103 }, (_, i) => (i < 80 ? 0 : i < 100 ? 1 : 2));
  const orderOf = (epoch: number) => balancedOrder(labels, 3, randomFor(4, "order", epoch));
  const order = orderOf(0);
  assert.equal(order.length, labels.length);
  for (let start = 0; start + 3 <= order.length; start += 3) {
    assert.deepEqual([...order.subarray(start, start + 3)].map((index) => labels[index]).sort(), [0, 1, 2]);
  }
  const seen = new Uint32Array(labels.length);
  for (const index of order) seen[index] = (seen[index] ?? 0) + 1;
  // 34 or 35 of each class: of 80 images not all, each of 20 once or twice, each of 3 eleven or twelve times.
  for (const [label, [least, most]] of [
    [0, 1],
    [1, 2],
    [11, 12],
  ].entries()) {
    const times = [...seen].filter((_, index) => labels[index] === label);
    assert.ok(
      times.every((count) => count >= (least ?? 0) && count <= (most ?? 0)),
      `class ${label}: ${times}`,
    );
  }
  assert.deepEqual(orderOf(0), order);
  assert.notDeepEqual(orderOf(1), order);
});

test("the loader draws balanced batches, from the middle of an epoch too", async () => {
  const { augmentation, seed } = tiny();
  const loader = new Loader(unequal.train, { batchSize: BATCH, augmentation, seed, sampling: "balanced", workers: 0 });
  const batches = async (first: number) => {
    const found = [];
    for await (const batch of loader.epoch(3, first)) found.push(batch);
    return found;
  };
  const all = await batches(0);
  for (const { labels } of all)
    assert.equal(
      labels.reduce((sum, label) => sum + label, 0),
      BATCH / 2,
    );
  assert.deepEqual(await batches(2), all.slice(2));
});

test("a run with balanced sampling trains on those batches", async () => {
  const recipe = tiny({ classBalance: "sampling" });
  const [first] = ofType(await session({ data: unequal, recipe, out: at("balanced") }, 1), "step");
  using trainer = trainerOf({ classBalance: "sampling" }, unequal);
  const { batchSize, augmentation, seed } = recipe;
  const loader = new Loader(unequal.train, { batchSize, augmentation, seed, sampling: "balanced", workers: 0 });
  for await (const batch of loader.epoch(0)) {
    assert.equal(trainer.step(batch, 0).loss, first?.loss);
    break;
  }
  assert.match(detailOf(trainer, "class-balance") ?? "", /classes of 8 to 24 images drawn equally often/);
});
