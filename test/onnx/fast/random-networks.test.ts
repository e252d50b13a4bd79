/** Random small networks in integers, computed by the fast engine and by ONNX Runtime, with some layers left in float. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNoFastEngine } from "../../../src/engine/engine.js";
import { UnsupportedLayer } from "../../../src/engine/lowering/network.js";
import { cpuAddon } from "../../../src/native/cpu/addon.js";
import { addon } from "../../../src/native/torch/addon.js";
import { foldBatchNorm } from "../../../src/nn/graph/fold-batch-norm.js";
import { traceGraph } from "../../../src/nn/graph/graph.js";
import { onnxModel } from "../../../src/onnx/export.js";
import { FastOnnx } from "../../../src/onnx/fast/fast-onnx.js";
import { observe } from "../../../src/onnx/quantize/observe.js";
import { logitsOf } from "../../../src/onnx/quantize/onnx-session.js";
import { tensorsOf, unitsOf } from "../../../src/onnx/quantize/units.js";
import { withIntegers } from "../../../src/onnx/quantize/with-integers.js";
import { randomFor } from "../../../src/tensor/random.js";
import { scope } from "../../../src/tensor/scope.js";
import { calibrate, randomImages, randomise } from "../../support/against-pytorch.js";
import { randomConvolutions } from "../../support/random-convolutions.js";

addon.setThreads(1);
process.env.OMP_NUM_THREADS = "1";

const BATCH = 3;
const [first = 0, last = 59] = (process.env.KNACK_NETWORKS ?? "").split("-").filter(Boolean).map(Number);
const seeds = Array.from({ length: last - first + 1 }, (_, index) => first + index);
const fault =
  whyNoFastEngine({ device: "cpu", precision: "fp32" }) ??
  (cpuAddon()?.processor().exactBytes ? undefined : "this processor has no VNNI");

test(`${seeds.length} random networks in integers: the logits are ONNX Runtime's but for rounding`, {
  skip: fault !== undefined && fault,
}, async () => {
  const [lacking, apart]: [string[], number[]] = [[], []];
  const fromFloat = { fast: 0, onnxRuntime: 0 };
  for (const seed of seeds) {
    const { float, images, text } = floatNetwork(seed);
    const units = unitsOf(float);
    const histograms = await observe(float, tensorsOf(units), images);
    const ranges = new Map(Array.from(histograms, ([name, { range }]) => [name, range]));
    const random = randomFor(seed, "in float");
    const inFloat = new Set(seed % 2 === 0 ? [] : units.layers.filter(() => random.uniform() < 0.3));
    const model = withIntegers(float, units, { ranges, inFloat, largestWeight: 127 });
    try {
      const fast = FastOnnx.open(model, images.format);
      const logits = fast.logits(images.pixels);
      fast.dispose();
      const expected = await logitsOf(model, images);
      const distance = distanceOf(logits, expected);
      apart.push(distance);
      const exact = await logitsOf(float, images);
      fromFloat.fast += distanceOf(logits, exact);
      fromFloat.onnxRuntime += distanceOf(expected, exact);
      assert.ok(
        distance < 0.1,
        `seed ${seed}, in float ${[...inFloat]}: ${distance} of the logits' length apart: ${text}`,
      );
    } catch (error) {
      if (!(error instanceof UnsupportedLayer)) throw error;
      lacking.push(`${seed}: ${error.message} (${[...inFloat]}) ${text}`);
    }
  }
  apart.sort((a, b) => a - b);
  if (process.env.KNACK_NETWORKS) console.log(apart, lacking, fromFloat);
  assert.ok(apart.length > 0.5 * seeds.length, `only ${apart.length} were computed: ${lacking}`);
  assert.ok((apart[apart.length >> 1] as number) < 0.01, `half of them are ${apart[apart.length >> 1]} apart`);
  const { fast, onnxRuntime } = fromFloat;
  assert.ok(
    fast < 1.01 * onnxRuntime,
    `${fast} of their lengths from the logits in float, ONNX Runtime ${onnxRuntime}`,
  );
});

/** As a share of the expected logits' length. */
function distanceOf(logits: Float32Array, expected: Float32Array): number {
  return Math.hypot(...expected.map((value, i) => value - (logits[i] ?? Number.NaN))) / Math.hypot(...expected);
}

function floatNetwork(seed: number) {
  const { model, channels, size, text } = randomConvolutions(seed);
  using _model = model;
  const [height, width] = size;
  randomise(model);
  const float = scope(() => {
    calibrate(model, randomImages(BATCH, channels, height, width));
    return onnxModel(foldBatchNorm(traceGraph(model.eval(), [1, channels, height, width])), {});
  });
  const random = randomFor(seed, "pixels");
  const pixels = Uint8Array.from({ length: BATCH * channels * height * width }, () => random.integer(256));
  const [mean, std] = [[0.5, 0.4, 0.3].slice(0, channels), [0.2, 0.25, 0.3].slice(0, channels)];
  return {
    float,
    text,
    images: { pixels, labels: new Int32Array(BATCH), count: BATCH, format: { height, width, channels, mean, std } },
  };
}
