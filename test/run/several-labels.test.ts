/** A run on pictures with any number of labels, from the list to predictions: one tiny training for all of these tests. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { crossValidate } from "../../src/folds/cross-validate.js";
import { loadClassifier } from "../../src/inference/classifier.js";
import { measured } from "../../src/metrics/index.js";
import { exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import { writeReport } from "../../src/report/write-report.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { evaluationData } from "../../src/run/evaluation-data.js";
import type { TrainEvent } from "../../src/run/events.js";
import { loadCheckpoint } from "../../src/weights/checkpoint.js";
import { inputError } from "../support/input-error.js";
import { numbered, writePhotos } from "../support/tiny-photos.js";
import { ofType, scratchFolder, session, tiny } from "../support/tiny-training.js";

const at = scratchFolder("several-labels");
const NAMES = numbered("pictures", 32);
/** Some have both, some none. */
const labelsOf = (index: number) => ["left", "right"].filter((_, label) => index % (label + 2) === 0);
const selection = { multiLabel: true, split: { validation: 0.25 } };
const recipe = tiny({ imageSize: 24, epochs: 2 });
const bytes = (run: string, name: string) => readFileSync(at(run, "checkpoints/last", name));

let events: TrainEvent[];
before(async () => {
  await writePhotos(at(), NAMES);
  const rows = NAMES.map((name, index) => `${name},${labelsOf(index).join("|")}\n`);
  writeFileSync(at("list.csv"), `image,labels\n${rows.join("")}`);
  events = await session({ data: at("list.csv"), selection, recipe, out: at("run") });
});

test("epochs are measured by mAP, which decides on the best one, and F1; top-1 there is none", () => {
  const [audit] = ofType(events, "audit");
  assert.deepEqual([audit?.task, audit?.select], ["multi-label", "average-precision"]);
  assert.deepEqual(
    audit?.metrics.filter(({ brief }) => brief).map(({ title }) => title),
    ["mAP", "macro F1", "loss"],
  );
  assert.match(audit?.data ?? "", /any number of labels a picture, 0\.8 on average, none for 11/);
  const epochs = ofType(events, "epoch");
  const best = epochs.map(({ metrics }) => metrics["average-precision"] ?? 0);
  assert.ok(best.every((value) => value > 0 && value <= 1));
  const last = epochs.findLast(({ best: isBest }) => isBest);
  assert.equal(last?.metrics["average-precision"], Math.max(...best));
  for (const { top1, metrics } of epochs) assert.deepEqual([top1, "top-1" in metrics], [Number.NaN, false]);
  assert.equal(JSON.parse(readFileSync(at("run/recipe.json"), "utf8")).select, "average-precision");
});

test("the checkpoint keeps a threshold for each class, and with them gives the epoch's figures", async () => {
  const { config } = loadCheckpoint(at("run"));
  assert.equal(config.task, "multi-label");
  assert.equal(config.thresholds?.length, 2);
  const { source, ofRun } = evaluationData(at("run"), undefined, {});
  assert.ok(ofRun);
  const { metrics, outcomes } = await evaluateCheckpoint(at("run"), [source.validation]);
  const best = ofType(events, "epoch").findLast((event) => event.best);
  for (const [name, value] of Object.entries(best?.metrics ?? {})) {
    assert.ok(Math.abs((metrics[name] ?? 9) - value) < 1e-6, `${name}: ${metrics[name]}, and then ${value}`);
  }
  assert.ok("thresholds" in outcomes);
  assert.deepEqual([...outcomes.thresholds], config.thresholds);
  assert.deepEqual(measured(outcomes), metrics);
});

test("a list of another place is read as the checkpoint wants it, and one label a picture is refused", async () => {
  const other = `image,right,left\n${NAMES.slice(0, 6)
    .map((name, index) => {
      const labels = labelsOf(index);
      return `${name},${Number(labels.includes("right"))},${Number(labels.includes("left"))}\n`;
    })
    .join("")}`;
  writeFileSync(at("other.csv"), other);
  const { source } = evaluationData(at("run"), at("other.csv"), {});
  const { images, outcomes } = await evaluateCheckpoint(at("run"), [source.validation]);
  assert.equal(images, 6);
  assert.ok("labelSets" in outcomes);
  assert.deepEqual(
    Array.from(outcomes.labels, (label) => outcomes.labelSets[label]),
    [[0, 1], [], [0], [1], [0], []],
  );
  writeFileSync(
    at("one.csv"),
    `image,label\n${NAMES.map((name, index) => `${name},${index % 2 ? "left" : "right"}\n`).join("")}`,
  );
  const one = evaluationData(at("run"), at("one.csv"), { multiLabel: false });
  await assert.rejects(
    evaluateCheckpoint(at("run"), [one.source.validation]),
    inputError(/trained for any number of labels a picture, not one label a picture/),
  );
});

test("stopped and resumed it ends with the same bits", async () => {
  await session({ data: at("list.csv"), selection, recipe, out: at("stopped") }, 4);
  await session({ resume: at("stopped") });
  for (const file of ["model.safetensors", "config.json"]) assert.deepEqual(bytes("stopped", file), bytes("run", file));
});

test("both engines train it", async () => {
  const losses: number[] = [];
  for (const engine of ["plain", "fast"] as const) {
    const found = await session({
      ...{ data: at("list.csv"), selection, recipe: { ...recipe, epochs: 1 }, out: at(engine) },
      engine: { engine, winograd: false },
    });
    assert.equal(ofType(found, "audit")[0]?.engine, engine);
    losses.push(...ofType(found, "epoch").map(({ validationLoss }) => validationLoss));
  }
  const [plain = 0, fast = 9] = losses;
  assert.ok(Math.abs(plain - fast) < 2e-3 * plain, `${plain} and ${fast}`);
});

test("a picture is taken for the classes above their thresholds, by the checkpoint and by its ONNX file", async () => {
  const { config } = loadCheckpoint(at("run"));
  const file = at("model.onnx");
  const { metadata } = await exportCheckpoint(at("run"), file);
  assert.deepEqual([metadata.task, JSON.parse(metadata.thresholds ?? "")], ["multi-label", config.thresholds]);
  using classifier = loadClassifier(at("run"));
  using exported = loadClassifier(file);
  for (const name of NAMES.slice(0, 8)) {
    const all = await classifier.classify(join(at(), name), { top: 2 });
    const taken = await classifier.classify(join(at(), name));
    assert.deepEqual(
      taken,
      all.filter(({ probability, index }) => probability >= (config.thresholds?.[index] ?? 1)),
    );
    // Each probability is for itself: they are no distribution.
    for (const { index, threshold } of all) assert.equal(threshold, config.thresholds?.[index]);
    const others = await exported.classify(join(at(), name), { top: 2 });
    assert.deepEqual(
      others.map(({ class: called, threshold }) => [called, threshold]),
      all.map(({ class: called, threshold }) => [called, threshold]),
    );
    for (const [rank, { probability }] of all.entries()) {
      assert.ok(Math.abs(probability - (others[rank]?.probability ?? 9)) < 1e-5);
    }
  }
});

test("the report has each class and the surest mistakes, and no confusion matrix", async () => {
  const { file, missing } = await writeReport(at("run"), {});
  assert.equal(missing, undefined);
  const page = readFileSync(file, "utf8");
  for (const words of ["mAP", "Each class", "threshold", "binary cross-entropy", "exact match"]) {
    assert.ok(page.includes(words), words);
  }
  for (const words of ["Confusion", "top-1", "NaN"]) assert.ok(!page.includes(words), words);
});

test("trained weights of one label a picture start a run, and all folds by one command are refused", async () => {
  const changed = { ...recipe, epochs: 1, init: { weights: at("run") } };
  const ofOne = { data: at("one.csv"), selection: { split: { validation: 0.25 } }, recipe: { ...recipe, epochs: 1 } };
  await session({ ...ofOne, out: at("one") });
  const started = await session({
    ...{ data: at("list.csv"), selection, recipe: { ...changed, init: { weights: at("one") } }, out: at("started") },
  });
  assert.equal(ofType(started, "audit")[0]?.task, "multi-label");
  const folds = crossValidate({
    ...{ data: at("list.csv"), multiLabel: true, split: { folds: 2 }, recipe, out: at("folds") },
  });
  await assert.rejects(folds.next(), inputError(/--multi-label give --fold 1, then 2/));
  const fold = await session({
    ...{ data: at("list.csv"), selection: { multiLabel: true, split: { folds: 2, fold: 2 } }, recipe: ofOne.recipe },
    out: at("fold"),
  });
  assert.match(ofType(fold, "audit")[0]?.data ?? "", /16 training and 16 validation/);
  await assert.rejects(
    session({ data: at("list.csv"), selection, recipe: { ...recipe, select: "top-1" }, out: at("refused") }),
    inputError(/--select\): top-1 cannot decide .*not measured of any number of labels .*average-precision/),
  );
});
