/** At each moment of a run tricks act in the order of their list, and the moments come in theirs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addScalar, mulScalar } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { Trainer } from "../../src/training/trainer.js";
import { TRICKS } from "../../src/tricks/index.js";
import { plannedRun } from "../../src/tricks/planned-run.js";
import { RunningTricks } from "../../src/tricks/running-tricks.js";
import { type Moments, touched, trick } from "../../src/tricks/trick.js";
import { batchOf } from "../support/random-data.js";
import { near } from "../support/near.js";
import { BATCH, disposing, floats, four, tiny, trainerOf } from "../support/tiny-training.js";

/** A trick that is always on. */
function toy(name: string, moments: Omit<Moments, "touched">) {
  const start = () => ({ ...moments, touched: () => touched(1, name) });
  return trick({ name, summary: "", group: "tricks", switches: [], shape: {}, off: {}, paper: {}, start });
}

test("what one trick gives at a moment the next one takes, in the order of the list", () => {
  const double = toy("double", {
    rate: (schedule) => ({ ...schedule, at: (step) => 2 * schedule.at(step) }),
    targets: (targets) => mulScalar(targets, 2),
    batch: ({ images, targets }) => ({ images: mulScalar(images, 2), targets }),
    weighted: ({ targets }) => mulScalar(targets, 2),
    loss: (loss) => mulScalar(loss, 2),
  });
  const plusOne = toy("plus-one", {
    rate: (schedule) => ({ ...schedule, at: (step) => schedule.at(step) + 1 }),
    targets: (targets) => addScalar(targets, 1),
    batch: ({ images, targets }) => ({ images: addScalar(images, 1), targets }),
    weighted: ({ targets }) => addScalar(targets, 1),
    loss: (loss) => addScalar(loss, 1),
  });
  const results = ([double, plusOne] as const).map((first) => {
    const second = first === double ? plusOne : double;
    const running = new RunningTricks([first, second], plannedRun(tiny({ lr: 3 }), 4));
    return scope(() => {
      const three = Tensor.from([3]);
      const clean = { images: three, targets: three, shares: three };
      const batch = running.batch(clean, 0, 0);
      const seen = { images: three, logits: three };
      const tensors = [
        running.targets(three, 0, 0),
        batch.images,
        running.weighted(clean, 0, 0),
        running.loss(three, seen, 0, 0),
      ];
      return [running.schedule().at(0), ...tensors.map((tensor) => tensor.item())];
    });
  });
  assert.deepEqual(results, [Array(5).fill(3 * 2 + 1), Array(5).fill((3 + 1) * 2)]);
});

test("knack's own: the rate is scaled, warmed up, then decayed; labels are smoothed before images are mixed", () => {
  const names = TRICKS.map(({ name }) => name);
  const inOrder = (...wanted: string[]) =>
    assert.deepEqual(
      names.filter((name) => wanted.includes(name)),
      wanted,
    );
  inOrder("linear-scaling", "warmup", "cosine");
  inOrder("label-smoothing", "mixup");
  inOrder("no-bias-decay", "backbone-lr");
  assert.equal(new Set(names).size, names.length);
});

test("the moments of a step: targets, batch, weights in the loss, the loss, and after the optimizer what follows the weights", () => {
  const log: string[] = [];
  const noting = <T>(moment: string, value: T) => {
    log.push(moment);
    return value;
  };
  let current: Trainer | undefined;
  const weight = () => (current ? [...current.state].find(([name]) => name === "fc.weight")?.[1].toArray()[0] : 0);
  const weights: unknown[] = [];
  const spy = toy("spy", {
    checked: () => noting("checked", undefined),
    rate: (schedule) => noting("rate", schedule),
    initialised: () => noting("initialised", undefined),
    grouped: (groups) => noting("grouped", groups),
    built: () => noting("built", undefined),
    frozen: () => noting("frozen", new Set()),
    targets: (targets) => noting("targets", targets),
    batch: (batch) => noting("batch", batch),
    weighted: ({ targets }) => noting("weighted", targets),
    loss: (loss) => {
      weights.push(weight());
      return noting("loss", loss);
    },
    stepped: () => {
      weights.push(weight());
      log.push("stepped");
    },
  });
  using trainer = disposing(new Trainer(tiny(), four, { device: "cpu", ownTricks: [spy] }));
  current = trainer;
  trainer.beginEpoch(0);
  trainer.step(batchOf(four, BATCH, 0), 0);
  const built = ["checked", "rate", "initialised", "grouped", "built"];
  assert.deepEqual(log, [...built, "frozen", "targets", "batch", "weighted", "loss", "stepped"]);
  assert.notEqual(weights[0], weights[1], "the optimizer has moved the weights before tricks follow them");
});

test("EMA averages the weights that the optimizer has made", () => {
  using averaged = trainerOf({ ema: { decay: 0.5 } });
  using plain = trainerOf({});
  const of = (trainer: Trainer) => [...floats(trainer.weights().get("fc.weight")?.data ?? new Uint8Array())];
  const before = of(plain);
  for (const trainer of [averaged, plain]) trainer.step(batchOf(four, BATCH, 0), 0);
  const after = of(plain);
  assert.notDeepEqual(after, before);
  near(
    of(averaged),
    after.map((value, i) => (value + (before[i] ?? 0)) / 2),
    1e-6,
  );
});
