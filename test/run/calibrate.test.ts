/** What a calibrated checkpoint is to whoever loads it: evaluations, the classifier, ONNX files; and to a training, which goes on as if it were not. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { loadClassifier } from "../../src/inference/classifier.js";
import { exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import { calibrateCheckpoint, type Calibrated } from "../../src/run/calibrate-checkpoint.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { FolderLock } from "../../src/run/run-lock.js";
import { openData } from "../../src/data/sources/open.js";
import { loadModel } from "../../src/weights/load-model.js";
import { assertOneLine, commandLines } from "../support/command.js";
import { inputError } from "../support/input-error.js";
import { numbered, writePhotos } from "../support/tiny-photos.js";
import { scratchFolder, session, tiny } from "../support/tiny-training.js";

const at = scratchFolder("calibrate");
const run = at("run");
const best = () => `${run}/checkpoints/best`;
const validation = () => openData(at("photos")).validation;
const recipe = (epochs: number) => tiny({ imageSize: 24, epochs });
let kept: Calibrated;

before(async () => {
  await writePhotos(
    at("photos"),
    ["ant", "bee", "cat"].flatMap((name) => numbered(name, 24)),
  );
  // A fifth of the ants are bees: what is learnt, and not all of it right.
  for (const name of numbered("", 5)) renameSync(at(`photos/bee${name}`), at(`photos/ant${name.replace("/", "/b")}`));
  await session({ data: at("photos"), recipe: recipe(6), out: run, workers: 0 });
  kept = await calibrateCheckpoint(run, validation());
});

test("an evaluation has the calibrated figures, also by the checkpoint's own folder; once more the temperature is the same", async () => {
  const plain = await evaluateCheckpoint(run, [validation()], { uncalibrated: true });
  const calibrated = await evaluateCheckpoint(best(), [validation()]);
  const near = (a: number | undefined, b: number) =>
    assert.ok(Math.abs((a ?? Number.NaN) - b) < 1e-5, `${a}, not ${b}`);
  near(plain.metrics.loss, kept.nll.before);
  near(calibrated.metrics.loss, kept.nll.after);
  near(calibrated.metrics.ece, kept.ece.after);
  assert.ok(kept.nll.after < kept.nll.before - 1e-4, `${kept.nll.after}, ${kept.nll.before}`);
  assert.equal(calibrated.metrics["top-1"], plain.metrics["top-1"]);
  assert.deepEqual(await calibrateCheckpoint(run, validation()), kept);
});

test("the classifier's probabilities and those of an ONNX file are of logits divided by the temperature", async () => {
  const picture = `${at("photos")}/cat/01.jpg`;
  const file = at("model.onnx");
  const { temperature, metadata } = await exportCheckpoint(run, file, { verifyOn: [] });
  assert.equal(temperature, kept.temperature);
  const { folder: _, insteadOf: __, ...saved } = kept;
  assert.deepEqual(JSON.parse(metadata.calibration as string), saved);
  using calibrated = loadClassifier(run);
  using onnx = loadClassifier(file);
  assert.deepEqual([calibrated.calibration, onnx.calibration], [saved, saved]);
  const of = async (classifier: typeof onnx) => {
    const found = await classifier.classify(picture);
    return found.toSorted((a, b) => a.index - b.index).map(({ probability }) => probability);
  };
  writeFileSync(`${best()}/calibration.json`, JSON.stringify({ ...saved, temperature: 1 }));
  using plain = loadClassifier(run);
  const powers = (await of(plain)).map((probability) => probability ** (1 / kept.temperature));
  writeFileSync(`${best()}/calibration.json`, JSON.stringify(saved));
  const sum = powers.reduce((a, b) => a + b, 0);
  for (const probabilities of [await of(calibrated), await of(onnx)]) {
    for (const [label, power] of powers.entries()) {
      assert.ok(Math.abs((probabilities[label] as number) - power / sum) < 1e-5, `${probabilities}, ${powers}`);
    }
  }
});

test("pictures below the threshold are unknown, of a checkpoint and of an ONNX file", async () => {
  const pictures = numbered(at("photos/cat"), 6);
  const { temperature: _, ...rest } = JSON.parse(readFileSync(`${best()}/calibration.json`, "utf8"));
  using usual = loadClassifier(run);
  const confidences: number[] = [];
  for await (const { predictions } of usual.classifyAll(pictures)) confidences.push(predictions?.[0]?.probability ?? 0);
  const middle = confidences.toSorted((a, b) => a - b)[3] as number;
  const other = { ...rest, temperature: kept.temperature, rejection: { ...rest.rejection, threshold: middle - 1e-6 } };
  writeFileSync(`${best()}/calibration.json`, JSON.stringify(other));
  await exportCheckpoint(run, at("strict.onnx"));
  cpSync(best(), at("plain"), { recursive: true, dereference: true });
  rmSync(at("plain/calibration.json"));
  await exportCheckpoint(at("plain"), at("plain.onnx"));
  const predict = (model: string, ...more: string[]) => ["predict", model, ...pictures, "--reject", ...more];
  const csv = ["--csv", "--top", "1"];
  const [text, ...tables] = await commandLines([
    predict(run),
    predict(run, ...csv),
    predict(at("strict.onnx"), ...csv),
    ["predict", at("plain.onnx"), ...pictures, "--reject"],
  ]);
  const refused = tables.pop();
  for (const { stdout, stderr, code } of tables) {
    assert.equal(code, 0, stderr);
    const lines = stdout.trim().split("\n").slice(1);
    assert.deepEqual(
      lines.map((line) => line.endsWith(",true")),
      confidences.map((confidence) => confidence < middle),
    );
    assert.match(stderr, /calibrated: the logits are divided by temperature/);
    assert.match(stderr, /knack: 3 of 6 pictures are unknown/);
  }
  assert.equal(text?.stdout.match(/jpg: unknown, but nearest to\n/g)?.length, 3);
  assertOneLine(refused, 2, /--reject: from when on .*plain\.onnx knows nothing is not known: knack calibrate/);
});

test("whoever wants them has logits as they were trained; a training that goes on leaves no calibration of other weights", async () => {
  using calibrated = loadModel(run, "cpu").model;
  using plain = loadModel(run, "cpu", { uncalibrated: true }).model;
  const [, scaled] = [...calibrated.parameters()].find(([name]) => name === "fc.bias") ?? [];
  const [, own] = [...plain.parameters()].find(([name]) => name === "fc.bias") ?? [];
  const [a, b] = [scaled?.toArray()[0] as number, own?.toArray()[0] as number];
  assert.ok(Math.abs(a * kept.temperature - b) < 1e-6 && b !== 0);
  await session({ resume: run, recipe: recipe(7) });
  const event = readFileSync(`${run}/metrics.jsonl`, "utf8").includes('"epoch":7');
  assert.ok(event && !existsSync(`${run}/checkpoints/last/calibration.json`));
});

test("what cannot be calibrated is said, and nothing is written", async () => {
  {
    using _ = FolderLock.take(run);
    await assert.rejects(calibrateCheckpoint(run, validation()), inputError(/run/));
  }
  writeFileSync(`${best()}/calibration.json`, '{"temperature":-1}');
  await assert.rejects(
    evaluateCheckpoint(run, [validation()]),
    inputError(/calibration\.json: temperature: .*; make it anew by knack calibrate/),
  );
  const [strict] = await commandLines([["calibrate", run, "--reject-precision", "1.5"]]);
  assertOneLine(strict, 2, /--reject-precision: must be a share above 0, such as 0\.95 or 95%, not "1\.5"/);
});
