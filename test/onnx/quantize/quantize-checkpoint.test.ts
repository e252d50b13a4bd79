/** `knack quantize` on a tiny checkpoint, and its errors. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import sharp from "sharp";
import { KnackError, loadClassifier } from "../../../src/index.js";
import { createModel } from "../../../src/models/registry.js";
import { stateDict } from "../../../src/nn/state-dict.js";
import { exportCheckpoint } from "../../../src/onnx/export-checkpoint.js";
import { inventedPicture } from "../../../src/onnx/invented-picture.js";
import { readOnnxMetadata } from "../../../src/onnx/model-file.js";
import { quantizeCheckpoint } from "../../../src/onnx/quantize/quantize-checkpoint.js";
import { saveCheckpoint } from "../../../src/weights/checkpoint.js";
import { parseConfig } from "../../../src/weights/config.js";
import { calibrate, randomImages, randomise } from "../../support/against-pytorch.js";
import { startKnack } from "../../support/command.js";
import { inputError } from "../../support/input-error.js";
import { CLASSES, randomData } from "../../support/random-data.js";
import { near } from "../../support/near.js";
import { scratchFolder } from "../../support/tiny-training.js";

const at = scratchFolder("quantize-checkpoint");
const SIDE = 16;
const data = randomData(48, SIDE);

const source = (() => {
  using model = createModel("resnet20", { classes: CLASSES, inChannels: 3 }, { width: 4 });
  randomise(model);
  using images = randomImages(8, 3, SIDE, SIDE);
  calibrate(model, images);
  const { mean, std, classes } = data.train;
  const config = {
    architecture: "resnet20",
    num_classes: CLASSES,
    input_size: [3, SIDE, SIDE],
    mean,
    std,
    crop_pct: 1,
    license: "cc0-1.0",
    label_names: classes,
    model_options: { width: 4 },
  };
  saveCheckpoint(at("source"), { weights: stateDict(model), config: parseConfig(config, "the test") });
  return at("source");
})();

test("the file has what an exported one says and how it was quantized, is smaller, and knack predict takes it", async () => {
  const lines: string[] = [];
  const progress = (line: string) => lines.push(line);
  const report = await quantizeCheckpoint(source, data, at("q.onnx"), { maxDrop: 100, progress });
  const exported = await exportCheckpoint(source, at("float.onnx"));
  assert.ok(report.bytes < exported.bytes);
  const { quantization = "", ...rest } = readOnnxMetadata(at("q.onnx"));
  assert.deepEqual(rest, exported.metadata);
  const said = JSON.parse(quantization);
  assert.deepEqual([said.calibration_images, said.validation_images, said.float_layers], [48, 48, []]);
  assert.deepEqual([said.top1, said.top1_float], [report.quality.score, report.floatScore]);
  assert.deepEqual([report.layers, report.inFloat], [20, []]);
  for (const method of ["minimum and maximum", "percentile 99.99", "entropy"]) {
    assert.ok(
      lines.some((line) => line.startsWith(`${method}: top-1 `)),
      method,
    );
  }
  assert.ok(report.speeds.every(({ float, integers }) => float > 0 && integers > 0));

  const probabilities = async (path: string) => {
    using classifier = loadClassifier(path);
    const found = await classifier.classify(picture, { top: CLASSES });
    return found.sort((a, b) => a.index - b.index).map(({ probability }) => probability);
  };
  const raw = { width: 40, height: 30, channels: 3 } as const;
  const picture = await sharp(inventedPicture(1, 30, 40, 3), { raw })
    .png()
    .toBuffer();
  const integers = await probabilities(at("q.onnx"));
  near(integers, await probabilities(at("float.onnx")), 0.1);
  assert.notDeepEqual(integers, await probabilities(at("float.onnx")));
});

test("no more is lost than may be: with --max-drop 0 top-1 is that of the model in float, or nothing is written", async () => {
  // The classes are what the model in float says, so that whatever changes an answer loses.
  const labelled = await labelledBy(at("float.onnx"));
  const file = at("kept.onnx");
  const report = await quantizeCheckpoint(source, labelled, file, { maxDrop: 0 }).catch((error) => {
    assert.ok(
      error instanceof KnackError && /^with any layer in integers .* allow more by --max-drop$/.test(error.message),
    );
    assert.equal(existsSync(file), false);
  });
  if (report === undefined) return;
  assert.deepEqual([report.floatScore, report.quality.score], [1, 1]);
  assert.deepEqual(JSON.parse(report.metadata.quantization ?? "").float_layers, report.inFloat);
});

test("without training images the ranges are of the validation images, which is said", async () => {
  const none = { ...data.train, count: 0, pixels: data.train.pixels.subarray(0, 0), labels: new Int32Array() };
  const report = await quantizeCheckpoint(source, { ...data, train: none }, at("whole.onnx"), { maxDrop: 100 });
  assert.ok(report.calibratedOnValidation && report.seen.count === 48);
});

test("errors name what is wrong, and nothing is written", async () => {
  const refuses = async (file: string, maxDrop: number, message: RegExp) => {
    await assert.rejects(quantizeCheckpoint(source, data, file, { maxDrop }), inputError(message));
  };
  await refuses(at("x.safetensors"), 1, /the name of an ONNX file ends in \.onnx/);
  await refuses(at("nowhere", "x.onnx"), 1, /there is no folder .*nowhere/);
  for (const points of [-1, 101, Number.NaN])
    await refuses(at("x.onnx"), points, /--max-drop: must be points of top-1 from 0/);
  const cases: [string[], RegExp][] = [
    [[source, "--out", at("x.onnx")], /required option '--data <data>'/],
    [[source, "--data", at("absent"), "--out", at("x.onnx")], /no data set or folder .*absent/],
    [[source, "--data", at("absent"), "--out", at("x.onnx"), "--max-drop", "1%"], /--max-drop: .*not "1%"/],
    [[at("none"), "--data", "fashion-mnist", "--out", at("x.onnx")], /none/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await startKnack(["quantize", ...args]).ended;
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
  assert.equal(existsSync(at("x.onnx")), false);
});

/** The noise with the classes that a model has first. */
async function labelledBy(path: string) {
  using classifier = loadClassifier(path);
  const { pixels, count } = data.train;
  const raw = { width: SIDE, height: SIDE, channels: 3 } as const;
  const images = Array.from({ length: count }, (_, i) => {
    const bytes = pixels.slice((i * pixels.length) / count, ((i + 1) * pixels.length) / count);
    return sharp(bytes, { raw }).png().toBuffer();
  });
  const labels = new Int32Array(count);
  let at = 0;
  for await (const { predictions = [] } of classifier.classifyAll(await Promise.all(images))) {
    labels[at++] = predictions[0]?.index ?? -1;
  }
  const set = { ...data.train, labels };
  return { train: set, validation: set };
}
