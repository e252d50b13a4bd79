/**
 * NaN, infinities, denormals and huge values through every operation of the fast engine, forward and backward, in each layout and precision: what is
 * finite, NaN or infinite in libtorch's results is so in the engine's. Winograd's algorithm, which spreads them over its tiles, is left out.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENGINE, type ImageLayout } from "../../src/engine/engine-name.js";
import { FastEngine } from "../../src/engine/engine.js";
import { CompiledInference } from "../../src/engine/inference.js";
import { CompiledTraining } from "../../src/engine/training.js";
import { addon } from "../../src/native/torch/addon.js";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from "../../src/nn/layers/pooling.js";
import { Module } from "../../src/nn/module.js";
import { lowerPrecision } from "../../src/nn/precision.js";
import { backward, clearGradient, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { tensorOperator } from "../../src/tensor/operator.js";
import {
  add,
  avgPool2d,
  clamp,
  concatenate,
  copyInPlace,
  full,
  mean,
  mul,
  normalInPlace,
  padZeros,
  relu,
  sum,
  toDType,
} from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { whereBf16 } from "../support/bf16.js";
import { fill } from "../support/engine-passes.js";

addon.setThreads(1);

/** Some fill blocks of channels and some do not. */
const CHANNELS = 20;
const SHAPE = [3, CHANNELS, 6, 5] as const;
const CLASSES = 7;

/**
 * Images, a batch norm of running statistics, an operation, a classifier. What the batch norm's beta gets is the sum of the operation's gradient over
 * each channel, and what the classifier's weights get is the mean of its result over each.
 */
class Around extends Module {
  /** First, as its weights say in which numbers the model computes. */
  readonly head: Linear;
  readonly stem = new BatchNorm2d(CHANNELS);
  readonly pool = new GlobalAvgPool2d();

  constructor(
    out: number,
    readonly layers: readonly Module[],
    readonly operation: (x: Tensor, ...layers: readonly Module[]) => Tensor,
  ) {
    super();
    for (const [index, layer] of layers.entries()) Object.assign(this, { [`layer${index}`]: layer });
    this.head = new Linear(out, CLASSES);
  }

  override forward(images: Tensor): Tensor {
    return this.head.forward(this.pool.forward(this.operation(this.stem.forward(images), ...this.layers)));
  }

  override train(training = true): this {
    super.train(training);
    this.stem.train(false);
    return this;
  }
}

const silu = tensorOperator("aten::silu") as (x: Tensor) => Tensor;
const hardswish = tensorOperator("aten::hardswish") as (x: Tensor) => Tensor;
const gelu = tensorOperator("aten::gelu") as (x: Tensor) => Tensor;
const sigmoid = tensorOperator("aten::sigmoid") as (x: Tensor) => Tensor;

type Operation = (x: Tensor, a: Module, b: Module) => Tensor;
const conv = (out: number, kernel: number, groups = 1) =>
  new Conv2d(CHANNELS, out, kernel, { padding: kernel >> 1, groups });
const depthwise = () => conv(CHANNELS, 1, CHANNELS);
const OPERATIONS: Record<string, readonly [out: number, layers: () => readonly Module[], operation: Operation]> = {
  "batch norm's ReLU": [CHANNELS, () => [], relu],
  "batch norm's ReLU6": [CHANNELS, () => [], (x) => clamp(x, 0, 6)],
  "a ReLU of its own": [CHANNELS, () => [depthwise()], (x, a) => relu(a.forward(x))],
  "a clamp of its own": [CHANNELS, () => [depthwise()], (x, a) => clamp(a.forward(x), -0.5, 0.5)],
  "max pool 2": [CHANNELS, () => [new MaxPool2d(2, 2)], (x, a) => a.forward(x)],
  "max pool 3 with padding": [CHANNELS, () => [new MaxPool2d(3, 1, 1)], (x, a) => a.forward(x)],
  "average pool, ceil": [CHANNELS, () => [new AvgPool2d(2, 2)], (x, a) => a.forward(x)],
  "average pool, padding counted": [CHANNELS, () => [], (x) => avgPool2d(x, 3, 1, { padding: 1 })],
  "mean and linear layer alone": [CHANNELS, () => [], (x) => x],
  "3x3 convolution": [24, () => [conv(24, 3)], (x, a) => a.forward(x)],
  "3x3 convolution of stride 2": [
    32,
    () => [new Conv2d(CHANNELS, 32, 3, { stride: 2, padding: 1 })],
    (x, a) => a.forward(x),
  ],
  "two 1x1 convolutions": [32, () => [conv(CHANNELS, 1), conv(32, 1)], (x, a, b) => b.forward(a.forward(x))],
  "two 3x3 convolutions": [32, () => [conv(CHANNELS, 3), conv(32, 3)], (x, a, b) => b.forward(relu(a.forward(x)))],
  "depthwise convolution": [CHANNELS, () => [conv(CHANNELS, 3, CHANNELS)], (x, a) => a.forward(x)],
  "batch norm over the batch": [
    CHANNELS,
    () => [depthwise(), new BatchNorm2d(CHANNELS)],
    (x, a, b) => relu(b.forward(a.forward(x))),
  ],
  "batch norm, residual and ReLU": [
    CHANNELS,
    () => [depthwise(), new BatchNorm2d(CHANNELS)],
    (x, a, b) => relu(add(b.forward(a.forward(x)), x)),
  ],
  "two batch norms added, ReLU6": [
    CHANNELS,
    () => [new BatchNorm2d(CHANNELS), new BatchNorm2d(CHANNELS)],
    (x, a, b) => clamp(add(a.forward(x), b.forward(x)), 0, 6),
  ],
  addition: [CHANNELS, () => [depthwise(), depthwise()], (x, a, b) => add(a.forward(x), b.forward(x))],
  "addition and ReLU": [CHANNELS, () => [depthwise(), depthwise()], (x, a, b) => relu(add(a.forward(x), b.forward(x)))],
  "addition and clamp": [
    CHANNELS,
    () => [depthwise(), depthwise()],
    (x, a, b) => clamp(add(a.forward(x), b.forward(x)), 0, 6),
  ],
  "convolution and residual": [CHANNELS, () => [conv(CHANNELS, 3)], (x, a) => relu(add(a.forward(x), x))],
  concatenation: [32 + CHANNELS, () => [conv(32, 1)], (x, a) => concatenate([a.forward(x), x], 1)],
  SiLU: [CHANNELS, () => [], silu],
  "hard swish": [CHANNELS, () => [], hardswish],
  GELU: [CHANNELS, () => [], gelu],
  "squeeze and excitation": [
    CHANNELS,
    () => [conv(16, 1), new Conv2d(16, CHANNELS, 1)],
    (x, a, b) => mul(x, sigmoid(b.forward(relu(a.forward(mean(x, [2, 3], true)))))),
  ],
  "zeros beside channels": [CHANNELS + 12, () => [], (x) => padZeros(x, { before: 8, after: 4 })],
};

/** Float32's greatest squares overflow in batch norms from 1.8e19 on, which libtorch takes in float64. */
const SPECIALS = {
  NaN: Number.NaN,
  "+infinity": Infinity,
  "-infinity": -Infinity,
  "a denormal": 1e-40,
  "1e15": 1e15,
  "-1e15": -1e15,
};
type Special = keyof typeof SPECIALS;
/** Where: of the second image, in a channel of a whole block or one of the last. */
const PLACES = [2, CHANNELS - 1];

const multiply = tensorOperator("aten::mul", "Tensor");

interface Results {
  readonly [what: string]: readonly number[];
}

function noise(shape: readonly number[], seed: number): Tensor {
  using generator = new Generator(seed);
  return normalInPlace(full([...shape], 0), 0, 1, generator);
}

/** Noise with a special value at one index. */
function with_(special: number, index: number, shape: readonly number[], seed: number): Tensor {
  using values = noise(shape, seed);
  const numbers = Float32Array.from(values.toArray());
  numbers[index] = special;
  return Tensor.from(numbers, shape);
}

/** @param carryOn takes the gradient of the logits on to the parameters */
function results(model: Module, compute: () => Tensor, weights: Tensor, carryOn: () => void): Results {
  const saved = Array.from(model.state(), ([, tensor]) => ({ tensor, bytes: tensor.bytes() }));
  const logits = toDType(compute(), "float32");
  backward(sum(multiply(logits, weights), [0, 1]));
  carryOn();
  const found: Record<string, readonly number[]> = { logits: logits.toArray() };
  for (const [name, parameter] of model.parameters()) {
    found[`gradient of ${name}`] = gradientOf(parameter)?.toArray() ?? [];
    clearGradient(parameter);
  }
  for (const [name, tensor] of model.state()) if (name.includes("running_")) found[name] = tensor.toArray();
  noGradient(() => {
    for (const { tensor, bytes } of saved) copyInPlace(tensor, Tensor.from(bytes, tensor.shape, tensor.dtype));
  });
  return found;
}

/** In bf16 the sign of what is next to nothing is chance, and so is that of infinity times it. */
const kindOf = (value: number, precision: "fp32" | "bf16") =>
  Number.isFinite(value) ? "finite" : String(precision === "bf16" ? Math.abs(value) : value);

function differences(fast: Results, plain: Results, precision: "fp32" | "bf16"): string[] {
  const tolerance = precision === "bf16" ? 0.05 : 1e-4;
  const greatestIn = (values: readonly number[]) => Math.max(0, ...values.filter(Number.isFinite).map(Math.abs));
  // What a batch norm takes away again is noise beside the other gradients.
  const gradients = Object.entries(plain).filter(([what]) => what.startsWith("gradient"));
  const greatestGradient = Math.max(...gradients.map(([, values]) => greatestIn(values)));
  return Object.entries(plain).flatMap(([what, expected]) => {
    const actual = fast[what] ?? [];
    const greatest = what.startsWith("gradient") ? greatestGradient : greatestIn(expected);
    const index = expected.findIndex((value, i) => {
      const other = actual[i] ?? Number.NEGATIVE_INFINITY;
      if (kindOf(value, precision) !== kindOf(other, precision)) return true;
      return Number.isFinite(value) && Math.abs(value - other) > tolerance * (Math.abs(value) + greatest);
    });
    return index < 0 ? [] : [`${what}[${index}]: ${actual[index]}, libtorch's ${expected[index]}`];
  });
}

function check(layout: ImageLayout, precision: "fp32" | "bf16", name: string): string[] {
  const [out, layers, operation] = OPERATIONS[name] as (typeof OPERATIONS)[string];
  const engine = FastEngine.open(
    { engine: "fast", winograd: false, layout },
    { device: "cpu", precision },
  ) as FastEngine;
  return scope(() => {
    using model = new Around(out, layers(), operation as (x: Tensor, ...layers: readonly Module[]) => Tensor);
    fill(model, 1);
    const evaluation = new CompiledInference(engine, model, [SHAPE[1], SHAPE[2], SHAPE[3]], false);
    const masters = lowerPrecision(model.train(), precision, "cpu");
    const training = new CompiledTraining(engine, model, {
      shape: SHAPE,
      masters,
      forward: (images) => [model.forward(images)],
    });
    const found: string[] = [];
    const compare = (what: string, images: Tensor, weights: Tensor) => {
      const inPrecision = precision === "bf16" ? toDType(images, "bfloat16") : images;
      const plain = results(
        model,
        () => model.forward(inPrecision),
        weights,
        () => {},
      );
      const fast = results(
        model,
        () => training.forward(images)[0] as Tensor,
        weights,
        () => training.backward(false),
      );
      found.push(...differences(fast, plain, precision).map((difference) => `${what}: ${difference}`));
      if (precision === "bf16") return;
      model.eval();
      const logits = noGradient(() => model.forward(images)).toArray();
      found.push(
        ...differences({ logits: evaluation.logits(images).toArray() }, { logits }, precision).map(
          (difference) => `${what}, evaluated: ${difference}`,
        ),
      );
      model.train();
    };
    const [, , height, width] = SHAPE;
    for (const [special, value] of Object.entries(SPECIALS) as [Special, number][]) {
      for (const channel of PLACES) {
        const index = ((CHANNELS + channel) * height + 2) * width + 1;
        compare(`${special} in channel ${channel}`, with_(value, index, SHAPE, 1), noise([SHAPE[0], CLASSES], 2));
      }
      compare(`${special} in the gradient`, noise(SHAPE, 1), with_(value, CLASSES + 3, [SHAPE[0], CLASSES], 2));
    }
    training.dispose();
    evaluation.dispose();
    for (const master of masters.values()) master.dispose();
    return found;
  });
}

const fast = FastEngine.open(DEFAULT_ENGINE, { device: "cpu", precision: "fp32" });
const options = { skip: fast === undefined && "the fast engine cannot be had on this machine" };

for (const name of Object.keys(OPERATIONS)) {
  for (const [precision, where] of [
    ["fp32", options],
    ["bf16", options.skip ? options : whereBf16],
  ] as const) {
    test(`NaN, infinities, denormals and huge values, ${precision}: ${name}`, where, () => {
      for (const layout of ["blocks", "channels-last"] as const)
        assert.deepEqual(check(layout, precision, name), [], layout);
    });
  }
}
