/** Metrics by themselves and through the evaluator. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { METRICS, metricsFor } from "../../src/metrics/index.js";
import { loss } from "../../src/metrics/loss.js";
import { meanMetric } from "../../src/metrics/mean-metric.js";
import { isBetter, type Metric, valueText } from "../../src/metrics/metric.js";
import { top1 } from "../../src/metrics/top-1.js";
import { top5 } from "../../src/metrics/top-5.js";
import { topK } from "../../src/metrics/top-k.js";
import { Module } from "../../src/nn/module.js";
import { addInPlace, full, reshape, sum, toDType } from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { type EvaluatedImage, evaluate, NothingToEvaluate } from "../../src/training/evaluate.js";

type Rows = readonly { readonly logits: readonly number[]; readonly label: number }[];

/** A metric over one batch. */
function measured({ init, update, result }: Metric, rows: Rows): number {
  return scope(() => {
    const classes = rows[0]?.logits.length ?? 0;
    const sums = init(classes, "cpu");
    const logits = Tensor.from(
      rows.flatMap((row) => row.logits),
      [rows.length, classes],
    );
    const labels = toDType(Tensor.from(Int32Array.from(rows, ({ label }) => label)), "int64");
    update(sums, { logits, labels });
    return result(sums.toArray(), rows.length);
  });
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

test("top-5 says nothing among five classes or fewer", () => {
  const names = (classes: number) => metricsFor(classes).map(({ name }) => name);
  for (const classes of [2, 5, 6]) {
    assert.equal(names(classes).includes("top-5"), classes > 5);
    assert.ok(names(classes).includes("top-1") && names(classes).includes("loss"));
  }
});

test("every metric has a name and a title of its own, and says which way is up", () => {
  for (const key of ["name", "title"] as const) {
    const values = METRICS.map((metric) => metric[key]);
    assert.deepEqual([...new Set(values)], values);
  }
  assert.deepEqual(
    [isBetter(top1, 0.6, 0.5), isBetter(top1, 0.5, 0.5), isBetter(top1, Number.NaN, 0)],
    [...[true, false, false]],
  );
  assert.deepEqual([isBetter(loss, 0.6, 0.5), isBetter(loss, 0.4, 0.5)], [false, true]);
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

test("a metric of several sums and one of a mean go through the evaluator beside the others", async () => {
  const before = liveTensors();
  const meanLabel = meanMetric(
    { name: "mean-label", title: "mean label", higherIsBetter: false, form: "number", saysAnythingFor: () => true },
    ({ labels }) => sum(labels, [0]),
  );
  /** The largest share of one class among the logits' sums. */
  const lopsided: Metric = {
    ...{ name: "lopsided", title: "lopsided", higherIsBetter: false, form: "percent", saysAnythingFor: () => true },
    init: (classes, device) => full([classes], 0, "float64", device),
    update: (sums, { logits }) => void addInPlace(sums, sum(toDType(logits, "float64"), [0])),
    result: (sums) => Math.max(...sums) / sums.reduce((a, b) => a + b),
  };
  const metrics = [top1, lopsided, loss, meanLabel];
  const { images, metrics: values } = await evaluate(new Pixels(), batchesOf(ROWS), { format, device: "cpu", metrics });
  assert.deepEqual([images, Object.keys(values)], [3, ["top-1", "lopsided", "loss", "mean-label"]]);
  assert.deepEqual([values["top-1"], values.lopsided, values["mean-label"]], [2 / 3, 13 / 29, 1]);
  const all = await evaluate(new Pixels(), batchesOf(ROWS), { format, device: "cpu" });
  assert.deepEqual(
    Object.keys(all.metrics),
    METRICS.map(({ name }) => name),
  );
  assert.equal(all.metrics.loss, values.loss);
  assert.equal(liveTensors(), before);
});

test("an evaluation hands on every image it saw, in order, and changes no value by it", async () => {
  const seen: EvaluatedImage[] = [];
  const options = { format, device: "cpu" };
  const told = await evaluate(new Pixels(), batchesOf(ROWS), { ...options, seen: (image) => void seen.push(image) });
  assert.deepEqual(
    seen,
    ROWS.map((row, index) => ({ index, ...row })),
  );
  assert.deepEqual(told, await evaluate(new Pixels(), batchesOf(ROWS), options));
});

test("without images there is nothing to evaluate, and no tensor stays", async () => {
  const before = liveTensors();
  await assert.rejects(evaluate(new Pixels(), [], { format, device: "cpu" }), NothingToEvaluate);
  assert.equal(liveTensors(), before);
});
