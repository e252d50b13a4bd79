/** Models with QuantizeLinear and DequantizeLinear, in ONNX Runtime: the integers themselves, and what is computed in integers. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import ort from "onnxruntime-node";
import protobuf from "protobufjs";
import type { ModelOptions } from "../../../src/models/entry.js";
import { createModel } from "../../../src/models/registry.js";
import { addon } from "../../../src/native/torch/addon.js";
import { foldBatchNorm } from "../../../src/nn/graph/fold-batch-norm.js";
import { traceGraph } from "../../../src/nn/graph/graph.js";
import type { Module } from "../../../src/nn/module.js";
import { onnxModel } from "../../../src/onnx/export.js";
import { inventedPicture } from "../../../src/onnx/invented-picture.js";
import { logitsOf } from "../../../src/onnx/quantize/onnx-session.js";
import { observe } from "../../../src/onnx/quantize/observe.js";
import type { Pictures } from "../../../src/onnx/quantize/pictures.js";
import { tensorsOf, unitsOf } from "../../../src/onnx/quantize/units.js";
import { withIntegers } from "../../../src/onnx/quantize/with-integers.js";
import { DATA_TYPE, encodeModel, type ModelProto, type NodeProto } from "../../../src/onnx/schema.js";
import { scope } from "../../../src/tensor/scope.js";
import { randomise } from "../../support/against-pytorch.js";
import { near } from "../../support/near.js";
import { scratchFolder } from "../../support/scratch-folder.js";

addon.setThreads(1);
process.env.OMP_NUM_THREADS = "1";
const at = scratchFolder("quantize");

function pictures(count: number, size: number): Pictures {
  const pixels = Buffer.concat(Array.from({ length: count }, (_, seed) => inventedPicture(seed, size, size, 3)));
  const format = { height: size, width: size, channels: 3, mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.3] } as const;
  return { pixels, labels: new Int32Array(count), count, format };
}

function floatModel(model: Module, size: number): ModelProto {
  return scope(() => onnxModel(foldBatchNorm(traceGraph(model.eval(), [1, 3, size, size])), {}));
}

async function inIntegers(model: ModelProto, seen: Pictures, inFloat: readonly string[] = []): Promise<ModelProto> {
  const units = unitsOf(model);
  const histograms = await observe(model, tensorsOf(units), seen);
  const ranges = new Map(Array.from(histograms, ([name, { range }]) => [name, range]));
  return withIntegers(model, units, { ranges, inFloat: new Set(inFloat), largestWeight: 127 });
}

/** How often ONNX Runtime has each operator once it has put together what it can. */
async function optimised(model: ModelProto, name: string): Promise<Record<string, number>> {
  const optimizedModelFilePath = at(`${name}.onnx`);
  const options = { optimizedModelFilePath, logSeverityLevel: 4 } as const;
  const session = await ort.InferenceSession.create(encodeModel(model), options);
  await session.release();
  const { root } = protobuf.parse(
    `syntax = "proto2";
    message Model { optional Graph graph = 7; }
    message Graph { repeated Node node = 1; }
    message Node { optional string op_type = 4; }`,
    { keepCase: true },
  );
  const type = root.lookupType("Model");
  const counts: Record<string, number> = {};
  for (const { op_type } of type.toObject(type.decode(readFileSync(optimizedModelFilePath))).graph.node) {
    counts[op_type] = (counts[op_type] ?? 0) + 1;
  }
  return counts;
}

/** images [N, 3, 2, 2] -> a 1x1 convolution of 2 channels, ReLU, the mean of each channel, as logits. */
function byHand(weights: readonly number[], bias: readonly number[]): ModelProto {
  const node = (op_type: string, input: string[], output: string): NodeProto => {
    return { name: output, op_type, input, output: [output], attribute: [] };
  };
  const floats = (name: string, dims: number[], values: readonly number[]) => {
    return { name, dims, data_type: DATA_TYPE.float32, raw_data: new Uint8Array(Float32Array.from(values).buffer) };
  };
  const type = { tensor_type: { elem_type: DATA_TYPE.float32 } };
  return {
    ir_version: 8,
    opset_import: [{ domain: "", version: 17 }],
    producer_name: "the test",
    producer_version: "",
    doc_string: "",
    graph: {
      name: "by hand",
      node: [
        node("Conv", ["images", "conv.weight", "conv.bias"], "convolved"),
        node("Relu", ["convolved"], "positive"),
        node("GlobalAveragePool", ["positive"], "pooled"),
        node("Flatten", ["pooled"], "logits"),
      ],
      initializer: [floats("conv.weight", [2, 3, 1, 1], weights), floats("conv.bias", [2], bias)],
      input: [{ name: "images", type }],
      output: [{ name: "logits", type }],
    },
    metadata_props: [],
  };
}

test("a convolution, ReLU and a mean, integer by integer, as worked out by hand", async () => {
  const model = byHand([1, -0.5, 0.25, 0.1, 0.2, -0.4], [0.3, 0.05]);
  const units = unitsOf(model);
  assert.deepEqual(units.layers, ["conv"]);
  const ranges = new Map([
    ["images", { low: -2, high: 3.1 }], // scale 0.02, zero point 100
    ["positive", { low: 0, high: 2.55 }], // scale 0.01, zero point 0
    ["pooled", { low: 0, high: 1.275 }], // scale 0.005, zero point 0
  ]);
  const made = withIntegers(model, units, { ranges, inFloat: new Set(), largestWeight: 127 });

  // [1, -0.5, 0.25] in steps of 1 / 127: 127, -63.5, 31.75; [0.1, 0.2, -0.4] in steps of 0.4 / 127: 31.75, 63.5, -127.
  const weights = [127, -64, 32, 32, 64, -127];
  const steps = [1 / 127, 0.4 / 127];
  const biases = [1905, 794]; // 0.3 / (0.02 / 127) = 1905, 0.05 / (0.008 / 127) = 793.75
  const seen = pictures(1, 2);
  const expected = steps.map((step, channel) => {
    const pixels = [0, 1, 2, 3].map((pixel) => {
      let sum = biases[channel] as number;
      for (const c of [0, 1, 2]) {
        const { mean, std } = seen.format;
        const value = ((seen.pixels[pixel * 3 + c] as number) / 255 - (mean[c] as number)) / (std[c] as number);
        const integer = Math.min(Math.max(Math.round(value / 0.02) + 100, 0), 255);
        sum += (weights[channel * 3 + c] as number) * (integer - 100);
      }
      return Math.min(Math.max(Math.round((sum * step * 0.02) / 0.01), 0), 255);
    });
    const mean = pixels.reduce((a, b) => a + b) / 4;
    return Math.min(Math.round((mean * 0.01) / 0.005), 255) * 0.005;
  });
  assert.ok(expected.every((value) => value > 0 && value < 1.275) && expected[0] !== expected[1], String(expected));
  near([...(await logitsOf(made, seen))], expected, 1e-5);
});

/** Networks that have all the operators between them, and how ONNX Runtime is to compute them: nothing in float but the logits. */
const NETWORKS: Record<string, { size: number; options: ModelOptions; expected: Record<string, number> }> = {
  resnet20: {
    size: 32,
    options: { width: 8 },
    // Its two shortcuts are padded with channels, which ONNX Runtime does in float.
    expected: { QLinearConv: 19, QLinearAdd: 9, QLinearGlobalAveragePool: 1, QGemm: 1, Pad: 2, DequantizeLinear: 2 },
  },
  resnet18d: {
    size: 64,
    options: { width: 8 },
    expected: { QLinearConv: 22, QLinearAdd: 8, QLinearAveragePool: 3, QLinearGlobalAveragePool: 1, QGemm: 1 },
  },
  mobilenetv1_025: {
    size: 64,
    options: { pad_type: "same", act_layer: "relu6" },
    expected: { QLinearConv: 27, QLinearGlobalAveragePool: 1, QGemm: 1 },
  },
};

for (const [name, { size, options, expected }] of Object.entries(NETWORKS)) {
  test(`${name}: computed in integers by ONNX Runtime, and near what it is in float; layers left in float are`, async () => {
    using network = createModel(name, { classes: 10, inChannels: 3 }, options);
    randomise(network);
    const seen = pictures(8, size);
    const model = floatModel(network, size);
    const made = await inIntegers(model, seen);
    const counts = await optimised(made, name);
    const found = Object.fromEntries(Object.keys(expected).map((operator) => [operator, counts[operator] ?? 0]));
    assert.deepEqual(found, expected, JSON.stringify(counts));
    for (const operator of ["Conv", "FusedConv", "Gemm", "Add", "Relu", "Clip", "Pad", "DequantizeLinear"]) {
      assert.equal(counts[operator] ?? 0, expected[operator] ?? 0, JSON.stringify(counts));
    }
    const float = await logitsOf(model, seen);
    const noiseOf = async (other: ModelProto) => {
      const logits = await logitsOf(other, seen);
      return float.reduce((sum, value, i) => sum + (value - (logits[i] ?? Number.NaN)) ** 2, 0);
    };
    const signal = float.reduce((sum, value) => sum + value ** 2, 0);
    const noise = await noiseOf(made);
    assert.ok(noise > 0 && noise < 0.02 * signal, `${noise} of ${signal}`);

    const { layers } = unitsOf(model);
    assert.ok((await noiseOf(await inIntegers(model, seen, layers))) < 1e-8 * signal);
    const some = layers.filter((_, i) => i % 3 === 1);
    const mixed = await inIntegers(model, seen, some);
    const mixedCounts = await optimised(mixed, `${name}-mixed`);
    assert.equal((mixedCounts.QLinearConv ?? 0) + (mixedCounts.QGemm ?? 0), layers.length - some.length);
    assert.ok((await noiseOf(mixed)) < 0.02 * signal);
  });
}
