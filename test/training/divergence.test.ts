/** Losses and gradients that are not finite: caught in their step, never hidden, never in the record of what was learned. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DivergedError } from "../../src/base/errors.js";
import { LossScaler } from "../../src/optim/loss-scaler.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { scaleEachInPlace } from "../../src/tensor/ops.js";
import { batchOf } from "../support/random-data.js";
import { BATCH, four, scratchFolder, session, tiny, trainerOf } from "../support/tiny-training.js";

const inFolder = scratchFolder("diverged");

function diverged(message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof DivergedError, String(error));
    assert.match(error.message, message);
    return true;
  };
}

test("a scale never reaches 0, and gives up after 25 skips in a row", () => {
  const scaler = new LossScaler("dynamic");
  for (let i = 0; i < 2000; i++) scaler.update(false);
  assert.equal(scaler.scale, 2 ** -24);
  assert.ok(scaler.gaveUp);
  scaler.update(true);
  assert.ok(!scaler.gaveUp);
  for (let i = 0; i < 24; i++) scaler.update(false);
  assert.ok(!scaler.gaveUp);
  scaler.update(false);
  assert.ok(scaler.gaveUp);
  assert.equal(scaler.skippedSteps, 2025);
});

test("a step that is not finite names itself, the layer with the first bad value, and a likely cause", () => {
  using trainer = trainerOf({});
  const step = (at: number) => trainer.step(batchOf(four, BATCH, at), at);
  step(0);
  const [, conv] = [...trainer.model.parameters()].find(([name]) => name === "layer2.0.conv1.weight") ?? [];
  assert.ok(conv);
  noGradient(() => scaleEachInPlace([conv], 1e38));
  noGradient(() => scaleEachInPlace([conv], 1e38));
  assert.throws(
    () => step(1),
    diverged(/^step 2: the loss is not finite at lr 0\.05.*; the first bad value is in layer2\.0\.(conv1|bn1)/),
  );
});

test("weights that hold NaN are no result of an evaluation, whichever engine computes", async () => {
  using trainer = trainerOf({});
  const [, weight] = [...trainer.model.parameters()][3] ?? [];
  assert.ok(weight);
  noGradient(() => scaleEachInPlace([weight], Number.NaN));
  await assert.rejects(trainer.evaluate((async function* () {})()), diverged(/layer1\..* is not finite/));
});

test("an absurd rate under a loss scale diverges, and does not end as done", async () => {
  const recipe = tiny({ lr: 1e30, lossScale: "dynamic", epochs: 2 });
  await assert.rejects(session({ data: four, recipe, out: inFolder("absurd") }), diverged(/./));
});

test("lower-lr goes back to the last checkpoint with half the rate, and to the end", async () => {
  const changes = { lr: 1e4, epochs: 1 } as const;
  const recipe = (onDivergence: "stop" | "lower-lr") => tiny({ ...changes, onDivergence });
  await assert.rejects(
    session({ data: four, recipe: recipe("stop"), out: inFolder("stop") }),
    diverged(/--on-divergence lower-lr/),
  );
  const events = await session({ data: four, recipe: recipe("lower-lr"), out: inFolder("lower") });
  const warned = events.filter((event) => event.type === "warning").map(({ message }) => message);
  assert.match(
    warned[0] ?? "",
    /^(step \d+|the weights have run away): diverged; back to step 0, from here with 0\.5 of the rate$/,
  );
  const [step] = events.filter((event) => event.type === "step").slice(-1);
  assert.equal(step?.lr, 1e4 / 2 ** warned.length);
});

test("a skipped step leaves the sum of the losses as it was: what is logged is the label loss, of the steps taken", async () => {
  const out = inFolder("sum");
  // Mixup and distillation apart, loss and label loss are one; a teacher tells them apart.
  await session({ data: four, recipe: tiny({ epochs: 1 }), out: inFolder("teacher") });
  const recipe = tiny({ epochs: 1, distillation: { teacher: inFolder("teacher") } });
  const events = await session({ data: four, recipe, out });
  const steps = events.filter((event) => event.type === "step");
  const [epoch] = events.filter((event) => event.type === "epoch");
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.equal(epoch?.trainLoss, mean(steps.map(({ labelLoss }) => labelLoss)));
  for (const { loss, labelLoss } of steps) assert.ok(loss > 1.5 * labelLoss, `${loss} ${labelLoss}`);
});
