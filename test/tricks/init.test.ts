/** A run from a checkpoint whose classes are the data's in another order, or others. */
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { test } from "node:test";
import type { DataSource } from "../../src/data/image-set.js";
import { checkpointConfig } from "../../src/run/checkpoint-config.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { loadModel } from "../../src/weights/load-model.js";
import { prepareImages } from "../../src/training/prepare-images.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { scope } from "../../src/tensor/scope.js";
import { batchOf } from "../support/random-data.js";
import { BATCH, detailOf, floats, four, scratchFolder, take, trainerOf } from "../support/tiny-training.js";

const at = scratchFolder("init");
const named = (...classes: string[]): DataSource => ({
  ...four,
  train: { ...four.train, classes },
  validation: { ...four.validation, classes },
});

/** A checkpoint of a few steps on data with these classes. */
function trainedOn(...classes: string[]): string {
  using trainer = trainerOf({ seed: 3 }, named(...classes));
  take(trainer, 0, 4);
  const path = at(classes.join("-"));
  const config = checkpointConfig(trainer, { epoch: 1, step: 4, evaluation: null });
  saveCheckpoint(path, { weights: trainer.weights(), config });
  return path;
}

/** A run that begins from weights: the classifier's rows, what the audit says, and the weights. */
function begun(weights: string, ...classes: string[]) {
  using trainer = trainerOf({ init: { weights }, seed: 9 }, named(...classes));
  const state = trainer.weights();
  return { rows: rowsOf(state), detail: detailOf(trainer, "init") ?? "", state };
}

function rowsOf(weights: ReadonlyMap<string, RawTensor>): number[][] {
  const [matrix, bias] = ["fc.weight", "fc.bias"].map((name) => floats(weights.get(name)?.data ?? new Uint8Array()));
  const width = (matrix?.length ?? 0) / (bias?.length ?? 1);
  return Array.from(bias ?? [], (value, row) => [...(matrix?.subarray(row * width, (row + 1) * width) ?? []), value]);
}

/** Logits by class of some images, computed from a checkpoint. */
function logitsOf(path: string): Map<string, number[]> {
  const { model, format, config } = loadModel(path, "cpu");
  const images = batchOf(four, BATCH, 1).pixels;
  const all = scope(() => noGradient(() => model.forward(prepareImages(images, format, "cpu")).toArray()));
  model.dispose();
  return new Map(config.label_names.map((name, k) => [name, all.filter((_, i) => i % config.num_classes === k)]));
}

test("the same classes in another order: each keeps its row, and its logits", () => {
  const path = trainedOn("ant", "bee", "cat", "dog");
  const same = begun(path, "ant", "bee", "cat", "dog");
  const moved = begun(path, "dog", "bee", "ant", "cat");
  assert.deepEqual(
    moved.rows,
    [3, 1, 0, 2].map((row) => same.rows[row]),
  );
  assert.match(moved.detail, /the rows of fc reordered: the file has the same classes in another order/);
  assert.doesNotMatch(same.detail, /fc/);
  using trainer = trainerOf({ init: { weights: path } }, named("dog", "bee", "ant", "cat"));
  const config = checkpointConfig(trainer, { epoch: 0, step: 0, evaluation: null });
  saveCheckpoint(at("moved"), { weights: moved.state, config });
  const [before, after] = [logitsOf(path), logitsOf(at("moved"))];
  assert.deepEqual([...after.keys()], ["dog", "bee", "ant", "cat"]);
  for (const [name, logits] of before) {
    for (const [i, logit] of logits.entries())
      assert.ok(Math.abs(logit - (after.get(name)?.[i] ?? Number.NaN)) < 1e-4, name);
  }
});

test("as many classes of other names: a new classifier, and the audit names one", () => {
  const path = trainedOn("ant", "bee", "cat", "dog");
  const same = begun(path, "ant", "bee", "cat", "dog");
  const fresh = rowsOf(trainerStart());
  for (const classes of [
    ["oak", "elm", "ash", "fir"],
    ["ant", "bee", "cat", "fir"],
  ]) {
    const { rows, detail, state } = begun(path, ...classes);
    assert.deepEqual(rows, fresh, "as a new model begins");
    assert.match(detail, /fc re-initialised: the file has other classes, (oak|fir) is none of them/);
    assert.deepEqual(state.get("conv1.weight"), same.state.get("conv1.weight"));
  }
});

function trainerStart(): ReadonlyMap<string, RawTensor> {
  using trainer = trainerOf({ seed: 9 });
  return trainer.weights();
}

test("classes that are only numbered on one side, and files without names, keep their rows", () => {
  const numbers = trainedOn("0", "1", "2", "3");
  const one = begun(numbers, "dog", "bee", "ant", "cat");
  const other = begun(numbers, "0", "1", "2", "3");
  assert.deepEqual(one.rows, other.rows);
  const path = trainedOn("ant", "bee", "cat", "dog");
  assert.deepEqual(begun(path, "0", "1", "2", "3").rows, begun(path, "ant", "bee", "cat", "dog").rows);
  const file = at("alone.safetensors");
  copyFileSync(`${path}/model.safetensors`, file);
  assert.deepEqual(begun(file, "dog", "bee", "ant", "cat").rows, begun(path, "ant", "bee", "cat", "dog").rows);
});
