/** Metrics by themselves and through the evaluator. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { measured as measuredOf, METRICS, metricsFor, whyNot } from "../../src/metrics/index.js";
import { loss } from "../../src/metrics/loss.js";
import { macroF1 } from "../../src/metrics/macro-f1.js";
import { meanMetric } from "../../src/metrics/mean-metric.js";
import { betterBy, type Metric, valueText } from "../../src/metrics/metric.js";
import { MOST_SCORES, type Outcomes, type Truth } from "../../src/metrics/outcomes.js";
import { top1 } from "../../src/metrics/top-1.js";
import { top5 } from "../../src/metrics/top-5.js";
import { topK } from "../../src/metrics/top-k.js";
import { Module } from "../../src/nn/module.js";
import { reshape } from "../../src/tensor/ops.js";
import { liveTensors } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { evaluate, NothingToEvaluate, outcomesOf } from "../../src/training/evaluate.js";
import { outcomesFrom, type Rows } from "../support/outcomes.js";

const METRIC_NAMES = METRICS.map(({ name }) => name);

/** A metric over one batch. */
function measured(metric: Metric, rows: Rows): number {
  return metric.value(outcomesFrom(rows));
}

const eachLabel = (logits: readonly number[]): Rows => logits.map((_, label) => ({ logits, label }));

/** Whether each class, as the label, is among the first k: what the docstring says, written out. */
function amongFirst(k: number, logits: readonly number[]): boolean[] {
  const order = logits.map((_, label) => label).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  return logits.map((_, label) => order.indexOf(label) < k);
}

test("top-k: of equal logits the lower class counts first, so that never more than k do", () => {
  const tied = [
    [1, 1, 1, 1, 1, 1, 1, 1],
    [0, 3, 3, 1, 3, 0, 0, 3],
    [2, 1, 1, 1, 1, 1, 1, 9],
    [-1, -1, 5, 4, 3, 2, -1, -1],
    Array.from({ length: 1000 }, (_, label) => label % 7),
  ];
  for (const logits of tied) {
    for (const k of [1, 2, 5]) {
      const right = eachLabel(logits).map((row) => measured(topK(k), [row]) === 1);
      assert.deepEqual(right, amongFirst(k, logits), `top-${k} of ${logits.slice(0, 8)}`);
      assert.equal(right.filter(Boolean).length, k);
    }
  }
});

test("top-k: all labels are right among k classes, and none behind a logit that is no number", () => {
  assert.equal(measured(top5, eachLabel([0, 0, 0])), 1);
  assert.equal(measured(top5, eachLabel([5, 4, 3, 2, 1])), 1);
  assert.equal(measured(top5, eachLabel([5, 4, 3, 2, 1, 0])), 5 / 6);
  const broken = { logits: [1, 9, Number.NaN], label: 1 };
  assert.equal(measured(top1, [broken]), 0);
});

test("the loss is the mean cross-entropy in nats", () => {
  const rows = eachLabel([2, 0, -1]);
  const logSum = Math.log(Math.exp(2) + 1 + Math.exp(-1));
  assert.ok(Math.abs(measured(loss, rows) - (logSum - 1 / 3)) < 1e-6);
});

const truth = (classes: number, labels: readonly number[] = [0, 1]): Truth => ({ classes, labels });

test("top-5 says nothing among five classes or fewer", () => {
  const names = (classes: number) => metricsFor(truth(classes)).map(({ name }) => name);
  for (const classes of [2, 5, 6]) {
    assert.equal(names(classes).includes("top-5"), classes > 5);
    assert.ok(names(classes).includes("top-1") && names(classes).includes("loss"));
  }
  assert.match(whyNot(top5, truth(5)) ?? "", /nothing where there are 5 classes/);
});

test("what tells classes apart is left out where there is one, and what is made of scores where there are too many", () => {
  const missing = (of: Truth) => METRIC_NAMES.filter((name) => !metricsFor(of).some((metric) => metric.name === name));
  const ofSeveral = ["auroc", "average-precision", "kappa", "linear-kappa", "quadratic-kappa"];
  assert.deepEqual(missing(truth(6, [3, 3, 3])), ofSeveral);
  const rows = [0, 1, 2].map((spread) => ({ logits: [spread, 3, 0], label: 1 }));
  assert.deepEqual(
    METRIC_NAMES.filter((name) => !(name in measuredOf(outcomesFrom(rows)))),
    ofSeveral,
  );
  const labels = Int32Array.from({ length: 2 ** 12 }, (_, image) => image % 3);
  assert.deepEqual(missing({ classes: MOST_SCORES / 2 ** 12, labels }), []);
  assert.deepEqual(missing({ classes: MOST_SCORES / 2 ** 12 + 1, labels }), ["auroc", "average-precision"]);
});

test("every metric has a name and a title of its own, and says which way is up", () => {
  for (const key of ["name", "title", "meaning"] as const) {
    const values = METRICS.map((metric) => metric[key]);
    assert.deepEqual([...new Set(values)], values);
  }
  assert.deepEqual(
    [betterBy(top1, 0.625, 0.5), betterBy(top1, 0.5, 0.5), betterBy(top1, 0.25, 0.5)],
    [...[0.125, 0, -0.25]],
  );
  assert.deepEqual([betterBy(loss, 0.625, 0.5), betterBy(loss, 0.25, 0.5)], [-0.125, 0.25]);
  const none = Number.NaN;
  assert.deepEqual([betterBy(top1, none, 0), betterBy(loss, 9, undefined), betterBy(loss, none, none)], [-1, 1, 0]);
  assert.deepEqual([valueText(top1, 0.91503), valueText(loss, 0.25006)], ["91.50 %", "0.2501"]);
});

/** A network whose logits are the pixels. */
class Pixels extends Module {
  override forward(images: Tensor): Tensor {
    return reshape(images, [images.shape[0] ?? 0, -1]);
  }
}

const format = { height: 1, width: 3, channels: 1, mean: [0], std: [1 / 255], classes: ["a", "b", "c"] } as const;

/** Batches of at most two images. */
function batchesOf(rows: Rows) {
  return Array.from({ length: Math.ceil(rows.length / 2) }, (_, index) => {
    const some = rows.slice(2 * index, 2 * index + 2);
    const labels = Int32Array.from(some, ({ label }) => label);
    return { pixels: Uint8Array.from(some.flatMap(({ logits }) => logits)), labels, size: some.length, index };
  });
}

const ROWS: Rows = [
  { logits: [9, 0, 0], label: 0 },
  { logits: [1, 2, 4], label: 1 },
  { logits: [3, 3, 7], label: 2 },
];

test("a metric of one's own goes through the evaluator beside the others", async () => {
  const before = liveTensors();
  const about = { meaning: "nothing", higherIsBetter: false, form: "number" } as const;
  const meanLabel = meanMetric(
    { name: "mean-label", title: "mean label", ...about },
    (_, image) => ROWS[image]?.label ?? 9,
  );
  const lopsided: Metric = {
    ...{ name: "lopsided", title: "lopsided", ...about },
    value: ({ predicted }) => Math.max(...predicted) - Math.min(...predicted),
  };
  const metrics = [top1, lopsided, loss, meanLabel];
  const { images, metrics: values } = await evaluate(new Pixels(), batchesOf(ROWS), { format, device: "cpu", metrics });
  assert.deepEqual([images, Object.keys(values)], [3, ["top-1", "lopsided", "loss", "mean-label"]]);
  assert.deepEqual([values["top-1"], values.lopsided, values["mean-label"]], [2 / 3, 2, 1]);
  const all = await evaluate(new Pixels(), batchesOf(ROWS), { format, device: "cpu" });
  assert.deepEqual(Object.keys(all.metrics), METRIC_NAMES);
  assert.equal(all.metrics.loss, values.loss);
  assert.equal(all.metrics["macro-f1"], macroF1.value(outcomesFrom(ROWS)));
  assert.equal(liveTensors(), before);
});

test("the outcomes of batches are those of all images, in their order", async () => {
  const found = await outcomesOf(new Pixels(), batchesOf(ROWS), { format, device: "cpu" });
  const { scores, ...outcomes } = found as Outcomes;
  const { scores: __, ...whole } = outcomesFrom(ROWS);
  assert.deepEqual(outcomes, whole);
  assert.deepEqual(
    [[...outcomes.labels], [...outcomes.predicted], [...outcomes.ranks]],
    [
      [0, 1, 2],
      [0, 2, 2],
      [0, 1, 0],
    ],
  );
  const logSum = Math.log(Math.exp(9) + 2);
  assert.ok(Math.abs((outcomes.losses[0] ?? 9) - (logSum - 9)) < 1e-12);
  assert.ok(Math.abs((outcomes.confidences[0] ?? 0) - Math.exp(9 - logSum)) < 1e-12);
  assert.deepEqual([...(scores?.rankingOf(2).places ?? [])], [0, 0, 1]);
});

test("scores are kept up to a bound, and all else beyond it", () => {
  const before = liveTensors();
  const kept = outcomesFrom(ROWS, { batch: 1, mostScores: 9 });
  const { scores, ...dropped } = outcomesFrom(ROWS, { batch: 1, mostScores: 8 });
  assert.deepEqual([kept.scores?.rankingOf(0).count, scores], [3, undefined]);
  const { scores: _, ...others } = kept;
  assert.deepEqual(dropped, others);
  assert.equal(liveTensors(), before);
});

test("an evaluation that is to end after a batch does, and frees what it kept", async () => {
  const before = liveTensors();
  const afterBatch = () => {
    throw new Error("enough");
  };
  await assert.rejects(evaluate(new Pixels(), batchesOf(ROWS), { format, device: "cpu", afterBatch }), /enough/);
  assert.equal(liveTensors(), before);
});

test("without images there is nothing to evaluate, and no tensor stays", async () => {
  const before = liveTensors();
  await assert.rejects(evaluate(new Pixels(), [], { format, device: "cpu" }), NothingToEvaluate);
  assert.equal(liveTensors(), before);
});
