/** ONNX files of other operator sets, of a fixed batch, and that take bytes: what is in them, and that ONNX Runtime computes knack's logits from each. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import ort from "onnxruntime-node";
import protobuf from "protobufjs";
import sharp from "sharp";
import { loadClassifier } from "../../src/index.js";
import type { ModelOptions } from "../../src/models/entry.js";
import { createModel } from "../../src/models/registry.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { type ExportOptions, exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import { inventedPicture } from "../../src/onnx/invented-picture.js";
import { readOnnxMetadata } from "../../src/onnx/model-file.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { parseConfig } from "../../src/weights/config.js";
import { calibrate, randomImages, randomise } from "../support/against-pytorch.js";
import { inputError } from "../support/input-error.js";
import { near } from "../support/near.js";
import { scratchFolder } from "../support/tiny-training.js";

const at = scratchFolder("onnx-forms");
const [MEAN, STD] = [
  [0.5, 0.4, 0.3],
  [0.2, 0.25, 0.3],
];

/** A checkpoint of a narrow network with statistics that keep its activations in bounds. */
function checkpoint(name: string, size: number, model_options: ModelOptions, channels: 1 | 3 = 3): string {
  using model = createModel(name, { classes: 7, inChannels: channels }, model_options);
  randomise(model);
  using images = randomImages(4, channels, size, size);
  calibrate(model, images);
  const [mean, std] = [MEAN, STD].map((values) => values.slice(0, channels));
  const config = { architecture: name, num_classes: 7, input_size: [channels, size, size], mean, std, crop_pct: 1 };
  const path = at(`${name}-${channels}`);
  saveCheckpoint(path, {
    weights: stateDict(model),
    config: parseConfig({ ...config, model_args: model_options }, "the test"),
  });
  return path;
}

/** The file version and the operator set, and the operators with how many inputs each has. */
function contents(file: string): { ir: number; opset: number; inputs: Map<string, number[]> } {
  const { root } = protobuf.parse(
    `syntax = "proto2";
    message Model { optional int64 ir_version = 1; repeated Set opset_import = 8; optional Graph graph = 7; }
    message Set { optional string domain = 1; optional int64 version = 2; }
    message Graph { repeated Node node = 1; }
    message Node { repeated string input = 1; optional string op_type = 4; }`,
    { keepCase: true },
  );
  const type = root.lookupType("Model");
  const model = type.toObject(type.decode(readFileSync(file)), { longs: Number, defaults: true, arrays: true });
  const inputs = new Map<string, number[]>();
  for (const { op_type, input } of model.graph.node as { op_type: string; input: string[] }[]) {
    inputs.set(op_type, [...(inputs.get(op_type) ?? []), input.length]);
  }
  assert.equal(model.opset_import.length, 1);
  return { ir: model.ir_version, opset: model.opset_import[0].version, inputs };
}

/** The file version that came with each operator set: the table of versions in ONNX's documents. */
const IR = { 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10 };

for (const [name, size, options] of [
  ["resnet20", 33, { width: 4 }],
  ["resnet50d", 64, { width: 4 }],
  ["mobilenetv1_025", 64, { pad_type: "same" }],
] as const) {
  test(`every operator set gives knack's logits, in any batch and a fixed one, of floats and of bytes: ${name}`, async () => {
    const source = checkpoint(name, size, options);
    const inputs: string[] = [];
    for (const [version, ir] of Object.entries(IR)) {
      const opset = Number(version);
      const batch = opset % 2 === 0 ? 3 : undefined;
      const input = opset % 3 === 0 ? "uint8" : "float32";
      const file = at(`${name}-${opset}.onnx`);
      const foldBatchNorm = opset % 4 !== 1;
      const report = await exportCheckpoint(source, file, { opset, batch, input, foldBatchNorm, verifyOn: [] });
      const { passed, batches, relativeDifference } = report.verification ?? {};
      assert.ok(passed && (relativeDifference ?? 1) < 1e-5, `${opset}: ${relativeDifference}`);
      assert.deepEqual(batches, batch === undefined ? [1, 8] : [3]);
      assert.equal(report.opset, opset);
      const found = contents(file);
      assert.deepEqual([found.ir, found.opset], [ir, opset]);
      // Beside a constant of 0, which is its default, ONNX Runtime's quantization loses it.
      for (const count of found.inputs.get("Pad") ?? []) assert.equal(count, 2);
      inputs.push(report.input);
    }
    const shape = `3, ${size}, ${size}]`;
    assert.deepEqual(inputs.slice(0, 3), [
      `images float32 [batch, ${shape}`,
      `images float32 [3, ${shape}`,
      `images uint8 [batch, ${shape}`,
    ]);
  });
}

test("bytes go in as [N, C, H, W], red first, and the file normalises them", async () => {
  const source = checkpoint("resnet20", 16, { width: 4 });
  const [floats, bytes] = [at("floats.onnx"), at("bytes.onnx")];
  await exportCheckpoint(source, floats);
  await exportCheckpoint(source, bytes, { input: "uint8" });
  const pixels = Uint8Array.from({ length: 2 * 3 * 16 * 16 }, (_, i) => (i * 7919) % 256);
  const normalised = Float32Array.from(pixels, (byte, i) => {
    const channel = Math.floor(i / 256) % 3;
    return (byte / 255 - (MEAN?.[channel] ?? 0)) / (STD?.[channel] ?? 1);
  });
  const run = async (file: string, images: ort.Tensor) => {
    const session = await ort.InferenceSession.create(file);
    const { logits } = await session.run({ images });
    await session.release();
    return Array.from(logits?.data as Float32Array);
  };
  const shape = [2, 3, 16, 16];
  const expected = await run(floats, new ort.Tensor("float32", normalised, shape));
  near(await run(bytes, new ort.Tensor("uint8", pixels, shape)), expected, 1e-5);
  const metadata = readOnnxMetadata(bytes);
  assert.equal(metadata.input_type, "uint8");
  assert.deepEqual(JSON.parse(metadata.normalised_inside ?? ""), { mean: MEAN, std: STD });
  assert.ok(!("mean" in metadata || "std" in metadata), "who reads them normalises");
  assert.ok(!("input_type" in readOnnxMetadata(floats)));
});

test("knack predict on such files: the checkpoint's predictions, of RGB and grey, also with a fixed batch", async () => {
  const pictures = await Promise.all(
    [40, 33, 21, 64, 50].map(async (side, i) => {
      const raw = { width: side, height: side + i, channels: 3 } as const;
      return sharp(inventedPicture(i, side + i, side, 3), { raw })
        .png()
        .toBuffer();
    }),
  );
  for (const channels of [3, 1] as const) {
    const source = checkpoint("resnet20", 24, { width: 4 }, channels);
    const predictionsOf = async (path: string) => {
      using classifier = loadClassifier(path);
      const all: number[] = [];
      for await (const { predictions = [] } of classifier.classifyAll(pictures, { top: 7 })) {
        all.push(...[...predictions].sort((a, b) => a.index - b.index).map(({ probability }) => probability));
      }
      return all;
    };
    const expected = await predictionsOf(source);
    assert.equal(expected.length, 5 * 7);
    const forms: ExportOptions[] = [{ input: "uint8" }, { batch: 2 }, { input: "uint8", batch: 4, opset: 13 }];
    for (const [i, form] of forms.entries()) {
      await exportCheckpoint(source, at(`p${channels}${i}.onnx`), form);
      near(await predictionsOf(at(`p${channels}${i}.onnx`)), expected, 1e-5);
    }
  }
});

test("operator sets and batches that are none: errors before anything is written", async () => {
  const source = checkpoint("resnet20", 16, { width: 4 });
  const refuses = async (form: ExportOptions, message: RegExp) => {
    await assert.rejects(exportCheckpoint(source, at("none.onnx"), form), inputError(message));
    assert.equal(existsSync(at("none.onnx")), false);
  };
  for (const opset of [12, 23, 0, -17, 17.5, Number.NaN])
    await refuses({ opset }, /opset: must be from 13 to 22, not /);
  for (const batch of [0, -1, 1.5, Number.NaN])
    await refuses({ batch }, /batch: must be a whole number of images above 0/);
});
