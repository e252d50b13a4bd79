/** Layers in integers by the fast engine, step by step as the ONNX file says it: each result is the integer nearest to the exact number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNoFastEngine } from "../../../src/engine/engine.js";
import { cpuAddon } from "../../../src/native/cpu/addon.js";
import { INPUT } from "../../../src/onnx/export.js";
import { FastOnnx } from "../../../src/onnx/fast/fast-onnx.js";
import type { Grid } from "../../../src/onnx/quantize/integers.js";
import { type Random, randomFor } from "../../../src/tensor/random.js";
import { IntegerModel } from "../../support/integer-network.js";

const fault = whyNoFastEngine({ device: "cpu", precision: "fp32" });
const options = { skip: fault !== undefined && fault };
/** Without VNNI two products of 255 with a larger one would not fit into 16 bits. */
const LARGEST = cpuAddon()?.processor().exactBytes === false ? 64 : 127;

interface Layer {
  readonly channels: number;
  readonly out: number;
  readonly groups?: number;
  readonly kernel: number;
  /** Such that one window fits. */
  readonly size: readonly [height: number, width: number];
  readonly pads?: readonly [number, number, number, number];
  readonly inputZero: number;
  readonly output: Grid;
  readonly activation?: "Relu" | readonly [low: number, high: number];
  /** The grid of the sum with a second convolution. */
  readonly sum?: Grid;
}

const NONE = [0, 0, 0, 0] as const;

const LAYERS: Record<string, Layer> = {
  "a 1x1 convolution": {
    channels: 32,
    out: 48,
    kernel: 1,
    size: [1, 1],
    inputZero: 0,
    output: { scale: 0.05, zeroPoint: 120 },
  },
  "one of numbers below 0": {
    channels: 16,
    out: 16,
    kernel: 3,
    size: [3, 3],
    inputZero: 77,
    output: { scale: 0.1, zeroPoint: 128 },
  },
  "one of numbers below 0 with zeros around": {
    ...{
      channels: 16,
      out: 32,
      kernel: 3,
      size: [2, 1],
      pads: [1, 1, 0, 1],
      inputZero: 77,
      output: { scale: 0.1, zeroPoint: 128 },
    },
  },
  "three channels": {
    channels: 3,
    out: 24,
    kernel: 3,
    size: [2, 2],
    pads: [1, 1, 0, 0],
    inputZero: 114,
    output: { scale: 0.02, zeroPoint: 0 },
  },
  "a depthwise one": {
    channels: 48,
    out: 48,
    groups: 48,
    kernel: 3,
    size: [2, 2],
    pads: [0, 1, 1, 0],
    inputZero: 0,
    output: { scale: 0.02, zeroPoint: 0 },
  },
  "a depthwise one of numbers below 0, of channels that fill no block": {
    ...{
      channels: 20,
      out: 20,
      groups: 20,
      kernel: 3,
      size: [2, 2],
      pads: [0, 1, 1, 0],
      inputZero: 31,
      output: { scale: 0.02, zeroPoint: 90 },
    },
  },
  "channels that fill no block": {
    channels: 5,
    out: 7,
    kernel: 3,
    size: [3, 3],
    inputZero: 3,
    output: { scale: 0.03, zeroPoint: 100 },
  },
  "ReLU above the lowest integer": {
    ...{
      channels: 16,
      out: 32,
      kernel: 1,
      size: [1, 1],
      inputZero: 0,
      output: { scale: 0.04, zeroPoint: 60 },
      activation: "Relu",
    },
  },
  "ReLU6 below the highest integer": {
    ...{
      channels: 16,
      out: 32,
      kernel: 1,
      size: [1, 1],
      inputZero: 0,
      output: { scale: 0.04, zeroPoint: 0 },
      activation: [0, 3],
    },
  },
  "a sum of what is cut off where its own grid ends": {
    ...{ channels: 32, out: 32, kernel: 1, size: [1, 1], inputZero: 0, output: { scale: 0.005, zeroPoint: 140 } },
    sum: { scale: 0.02, zeroPoint: 115 },
  },
  "a sum and ReLU": {
    ...{
      channels: 32,
      out: 32,
      kernel: 1,
      size: [1, 1],
      inputZero: 9,
      output: { scale: 0.02, zeroPoint: 140 },
      activation: "Relu",
    },
    sum: { scale: 0.03, zeroPoint: 0 },
  },
};

const STEP = 1 / 255;
const IMAGES = 3;

for (const [name, layer] of Object.entries(LAYERS)) {
  test(`${name}: rounded to the nearest integer, for one image and several`, options, () => {
    const random = randomFor(1, "integer-layer", name);
    const { channels, size, inputZero, sum, output, activation, out } = layer;
    const input = { scale: STEP, zeroPoint: inputZero };
    const made = new IntegerModel();
    const images = made.rounded(INPUT, input);
    const activated = (tensor: string) => {
      if (activation === undefined) return tensor;
      if (activation === "Relu") return made.node("Relu", [tensor]);
      return made.node("Clip", [tensor, ...activation.map((bound) => made.constant(Float32Array.of(bound), []))]);
    };
    const first = convolutionOf(made, layer, images, random);
    const second = convolutionOf(made, layer, images, random);
    const last = sum
      ? activated(made.node("Add", [made.rounded(first.tensor, output), made.rounded(second.tensor, output)]))
      : activated(first.tensor);
    const model = made.end(last, out, sum ?? output);

    const format = {
      channels,
      height: size[0],
      width: size[1],
      mean: new Array(channels).fill(0),
      std: new Array(channels).fill(1),
    };
    const pixels = Uint8Array.from({ length: IMAGES * size[0] * size[1] * channels }, () =>
      random.integer(256 - inputZero),
    );
    const fast = FastOnnx.open(model, format);
    try {
      const logits = fast.logits(pixels);
      assert.deepEqual(fast.logits(pixels.subarray(0, pixels.length / IMAGES)), logits.slice(0, out));
      const grid = sum ?? output;
      const [low, high] =
        activation === undefined ? [-Infinity, Infinity] : activation === "Relu" ? [0, Infinity] : activation;
      let inside = 0;
      for (let image = 0; image < IMAGES; image++) {
        const own = pixels.subarray((image * pixels.length) / IMAGES, ((image + 1) * pixels.length) / IMAGES);
        for (let channel = 0; channel < out; channel++) {
          const a = first.value(own, channel);
          const exact = sum ? nearestOn(a, output) + withinOf(second.value(own, channel), output) : a;
          const wanted = withinOf(Math.min(Math.max(exact, low), high), grid);
          const logit = logits[image * out + channel] as number;
          if (wanted === exact) inside++;
          assert.ok(
            Math.abs(logit - wanted) <= 0.5005 * grid.scale,
            `image ${image}, channel ${channel}: ${logit}, not ${wanted}`,
          );
          const integer = logit / grid.scale;
          assert.ok(Math.abs(integer - Math.round(integer)) < 1e-3, `${logit} is no number of the grid`);
        }
      }
      assert.ok(inside > 0.2 * IMAGES * out, `only ${inside} results are within the grid`);
    } finally {
      fast.dispose();
    }
  });
}

/** Adds a convolution with random weights and biases. @returns its tensor and, for an image, the exact number that it makes */
function convolutionOf(
  made: IntegerModel,
  { channels, out, groups = 1, kernel, size: [height, width], pads = NONE }: Layer,
  images: string,
  random: Random,
) {
  const each = channels / groups;
  const area = kernel ** 2;
  const weights = Int8Array.from({ length: out * each * area }, () => random.integer(2 * LARGEST + 1) - LARGEST);
  const scales = Float32Array.from({ length: out }, () => (0.5 + random.uniform()) / LARGEST / Math.sqrt(each * area));
  const biases = Int32Array.from({ length: out }, () => random.integer(20_000) - 10_000);
  const biasScales = scales.map((scale) => scale * Math.fround(STEP));
  const inputs = [
    images,
    made.numbers(weights, [out, each, kernel, kernel], scales),
    made.numbers(biases, [out], biasScales),
  ];
  const tensor = made.node("Conv", inputs, { kernel_shape: [kernel, kernel], pads, group: groups });
  const value = (pixels: Uint8Array, channel: number) => {
    const from = Math.floor(channel / (out / groups)) * each;
    let total = biases[channel] as number;
    for (let c = 0; c < each; c++) {
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const weight = weights[((channel * each + c) * kernel + row + pads[0]) * kernel + column + pads[1]] as number;
          total += weight * (pixels[(row * width + column) * channels + from + c] as number);
        }
      }
    }
    return total * (scales[channel] as number) * STEP;
  };
  return { tensor, value };
}

function withinOf(value: number, { scale, zeroPoint }: Grid): number {
  return Math.min(Math.max(value, -zeroPoint * scale), (255 - zeroPoint) * scale);
}

function nearestOn(value: number, grid: Grid): number {
  return Math.round(withinOf(value, grid) / grid.scale) * grid.scale;
}

test("weights that a processor without VNNI would add wrongly are refused, and only there", options, () => {
  const made = new IntegerModel();
  const images = made.rounded(INPUT, { scale: STEP, zeroPoint: 0 });
  const weights = made.numbers(Int8Array.of(65, -64, 1, 0), [2, 2, 1, 1], Float32Array.of(1, 1));
  const model = made.end(made.node("Conv", [images, weights]), 2, { scale: 1, zeroPoint: 0 });
  const open = () => FastOnnx.open(model, { channels: 2, height: 1, width: 1, mean: [0, 0], std: [1, 1] }).dispose();
  if (LARGEST === 127) open();
  else assert.throws(open, /^Error: exact sums of 8-bit weights on a processor without VNNI/);
});
