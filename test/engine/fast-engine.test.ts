/** The fast engine against libtorch's operators: gradients of each fused operation, whole networks against float64, what it leaves to the plain path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENGINE, type EngineChoice } from "../../src/engine/engine-name.js";
import { FastEngine, whereSupported } from "../../src/engine/engine.js";
import { CompiledInference } from "../../src/engine/inference.js";
import { CompiledTraining } from "../../src/engine/training.js";
import type { ModelOptions } from "../../src/models/entry.js";
import { createModel } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { Dropout } from "../../src/nn/layers/dropout.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { chain, Module } from "../../src/nn/module.js";
import { moveTo } from "../../src/nn/move-to.js";
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from "../../src/nn/layers/pooling.js";
import { backward, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import {
  add,
  clamp,
  concatenate,
  crossEntropy,
  full,
  normalInPlace,
  padZeros,
  relu,
  toDType,
} from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { lowerPrecision } from "../../src/nn/precision.js";
import { apart, fastPass, fill, inFloat64, labels, length, near, pass, type Passed } from "../support/engine-passes.js";
import { whereBf16 } from "../support/bf16.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const open = (choice: Partial<EngineChoice>) =>
  FastEngine.open({ ...DEFAULT_ENGINE, ...choice }, { device: "cpu", precision: "fp32" });
const engine = open({ layout: "blocks" });
const direct = open({ layout: "blocks", winograd: false });
const channelsLast = open({ layout: "channels-last" });
const LAYOUTS = { blocks: engine, "channels-last": channelsLast };
const options = { skip: engine === undefined && "the fast engine cannot be had on this machine" };

const BATCH = 4;
const CLASSES = 5;

/** A network made of what a test wants to see, between a convolution and a classifier. */
class Probe extends Module {
  readonly stem: Conv2d;
  readonly norm: BatchNorm2d;
  readonly head: Linear;
  readonly pool = new GlobalAvgPool2d();

  constructor(
    readonly channels: number,
    out: number,
    readonly parts: Record<string, Module>,
    readonly body: (x: Tensor, parts: Record<string, Module>) => Tensor,
  ) {
    super();
    this.stem = new Conv2d(3, channels, 3, { padding: 1 });
    this.norm = new BatchNorm2d(channels);
    Object.assign(this, parts);
    this.head = new Linear(out, CLASSES);
  }

  override forward(images: Tensor): Tensor {
    const { stem, norm, pool, head, parts, body } = this;
    return chain(images, stem, norm, relu, (x) => body(x, parts), pool, head);
  }
}

const norm = (channels: number) => new BatchNorm2d(channels);
const run = (parts: Record<string, Module>, name: string, x: Tensor) => (parts[name] as Module).forward(x);

const PROBES: Record<string, () => Probe> = {
  "3x3 convolution": () => new Probe(16, 32, { c: new Conv2d(16, 32, 3, { padding: 1 }) }, (x, p) => run(p, "c", x)),
  "channels that do not fill a block": () =>
    new Probe(12, 20, { c: new Conv2d(12, 20, 3, { padding: 1 }), n: norm(20) }, (x, p) =>
      relu(run(p, "n", run(p, "c", x))),
    ),
  "1x1 convolution of stride 2": () =>
    new Probe(32, 16, { c: new Conv2d(32, 16, 1, { stride: 2 }) }, (x, p) => run(p, "c", x)),
  "1x7 convolution": () =>
    new Probe(16, 16, { c: new Conv2d(16, 16, [1, 7], { padding: [0, 3] }) }, (x, p) => run(p, "c", x)),
  "depthwise convolution": () =>
    new Probe(24, 24, { c: new Conv2d(24, 24, 3, { padding: 1, groups: 24 }) }, (x, p) => run(p, "c", x)),
  "SAME padding, another number of zeros on each side": () =>
    new Probe(16, 16, { c: new Conv2d(16, 16, 3, { stride: 2, padding: "same" }) }, (x, p) => run(p, "c", x)),
  "batch norm without an activation": () => new Probe(16, 16, { n: norm(16) }, (x, p) => run(p, "n", x)),
  "batch norm and clamp": () => new Probe(16, 16, { n: norm(16) }, (x, p) => clamp(run(p, "n", x), 0, 0.5)),
  "batch norm, residual and ReLU": () =>
    new Probe(16, 16, { c: new Conv2d(16, 16, 3, { padding: 1 }), n: norm(16) }, (x, p) =>
      relu(add(run(p, "n", run(p, "c", x)), x)),
    ),
  "two batch norms added": () =>
    new Probe(16, 16, { m: norm(16), n: norm(16) }, (x, p) => relu(add(run(p, "m", x), run(p, "n", x)))),
  "two batch norms of two convolutions added": () =>
    new Probe(
      16,
      24,
      { a: new Conv2d(16, 24, 1), b: new Conv2d(16, 24, 3, { padding: 1 }), m: norm(24), n: norm(24) },
      (x, p) => relu(add(run(p, "m", run(p, "a", x)), run(p, "n", run(p, "b", x)))),
    ),
  "a value with three readers": () =>
    new Probe(16, 16, { a: norm(16), b: norm(16), c: new Conv2d(16, 16, 1) }, (x, p) =>
      relu(add(add(run(p, "a", x), run(p, "c", x)), run(p, "b", x))),
    ),
  "max pool": () => new Probe(16, 16, { p: new MaxPool2d(3, 2, 1) }, (x, p) => run(p, "p", x)),
  "average pool, ceil mode, padding not counted": () =>
    new Probe(16, 16, { p: new AvgPool2d(2, 2) }, (x, p) => run(p, "p", x)),
  concatenation: () => new Probe(16, 48, { c: new Conv2d(16, 32, 1) }, (x, p) => concatenate([x, run(p, "c", x)], 1)),
  "zeros beside channels": () => new Probe(16, 32, {}, (x) => padZeros(x, { before: 8, after: 8 })),
};

function noise(side: number): Tensor {
  using generator = new Generator(3);
  return normalInPlace(full([BATCH, 3, side, side], 0), 0, 1, generator);
}

/** The plain and the fast pass of a model in training, on the same images. */
function bothPasses(model: Module, side: number, by: FastEngine): { plain: Passed; fast: Passed } {
  const images = noise(side);
  const plain = pass(model, () => model.forward(images));
  return { plain, fast: fastPass(model, images, by, new Map()) };
}

const inBothLayouts = Object.entries(PROBES).flatMap(([title, make]) =>
  Object.entries(LAYOUTS).map(([layout, by]) => ({ title, make, layout, by })),
);
for (const { title, make, layout, by } of inBothLayouts) {
  test(`gradients and statistics are libtorch's, in ${layout}: ${title}`, options, () => {
    scope(() => {
      using model = make();
      fill(model, 1);
      moveTo(model.train(), "cpu");
      const { plain, fast } = bothPasses(model, 9, by as FastEngine);
      near(fast.logits, plain.logits, 1e-5, "the logits");
      for (const [name, gradient] of plain.gradients) {
        assert.ok(length(gradient) > 1e-6, `${name} has no gradient: the test could not see it`);
        near(fast.gradients.get(name) ?? [], gradient, 1e-4, `the gradient of ${name}`);
      }
      for (const [name, statistic] of plain.statistics) {
        near(fast.statistics.get(name) ?? [], statistic, 1e-5, name);
      }
    });
  });
}

const NETWORKS: readonly [name: string, side: number, options: ModelOptions][] = [
  ["resnet18_small", 16, { width: 16 }],
  ["resnet50d", 64, { width: 16 }],
  ["resnet20", 32, {}],
  ["mobilenetv1_025", 64, {}],
  ["mobilenetv1_025", 64, { pad_type: "same", act_layer: "relu6" }],
];

const SEEDS = [1, 2, 3];

for (const [name, side, modelOptions] of NETWORKS) {
  test(`${name} ${JSON.stringify(modelOptions)}: no farther from float64 than twice the plain path`, options, () => {
    for (const by of [engine, direct, channelsLast] as FastEngine[]) {
      const errors = SEEDS.map((seed) => errorsOf(name, side, modelOptions, seed, by));
      // A gate of ReLU that stands at zero goes either way, in every order of rounding, and moves a gradient by a jump: hence the median.
      const median = (of: (found: (typeof errors)[number]) => number) =>
        errors.map(of).sort((a, b) => a - b)[1] as number;
      const [plain, fast] = [median((found) => found.plain.gradients), median((found) => found.fast.gradients)];
      assert.ok(fast < 2 * plain + 1e-5, `gradients: ${fast}, the plain path's ${plain}`);
      const [plainLogits, fastLogits] = [median((found) => found.plain.logits), median((found) => found.fast.logits)];
      assert.ok(fastLogits < 2 * plainLogits + 1e-6, `logits: ${fastLogits}, the plain path's ${plainLogits}`);
    }
  });
}

/** How far both paths are from float64. */
function errorsOf(name: string, side: number, modelOptions: ModelOptions, seed: number, by: FastEngine) {
  return scope(() => {
    using model = createModel(name, { classes: CLASSES, inChannels: 3 }, modelOptions);
    xavierUniform(model, seed);
    moveTo(model.train(), "cpu");
    const { plain, fast } = bothPasses(model, side, by);
    const exact = inFloat64(model, noise(side));
    const all = ({ gradients }: Passed) =>
      [...exact.gradients].flatMap(([key, gradient]) => {
        const whole = length(gradient);
        return (gradients.get(key) ?? []).map((value) => value / whole);
      });
    const reference = all(exact);
    const errors = (found: Passed) => ({
      gradients: apart(all(found), reference),
      logits: apart(found.logits, exact.logits),
    });
    return { plain: errors(plain), fast: errors(fast) };
  });
}

test("Winograd's convolutions are within 1e-5 of the direct ones", options, () => {
  scope(() => {
    using model = createModel("resnet18_small", { classes: CLASSES, inChannels: 3 });
    xavierUniform(model, 1);
    moveTo(model.eval(), "cpu");
    const images = noise(32);
    const [with_, without] = [engine, direct].map((by) => {
      const network = new CompiledInference(by as FastEngine, model, [3, 32, 32], false);
      const logits = network.logits(images).toArray();
      network.dispose();
      return logits;
    }) as [number[], number[]];
    near(with_, without, 1e-5, "the logits");
  });
});

for (const [layout, by] of Object.entries(LAYOUTS)) {
  test(`evaluation follows changed weights, any batch size, and leaves no tensor behind, in ${layout}`, options, () => {
    const before = liveTensors();
    scope(() => {
      using model = createModel("resnet18_small", { classes: CLASSES, inChannels: 3 }, { width: 16 });
      xavierUniform(model, 1);
      moveTo(model.eval(), "cpu");
      const network = new CompiledInference(by as FastEngine, model, [3, 16, 16], false);
      for (const seed of [1, 2]) {
        fill(model, seed);
        network.refresh();
        for (const batch of [1, 2, 3, 2]) {
          using generator = new Generator(batch);
          const images = normalInPlace(full([batch, 3, 16, 16], 0), 0, 1, generator);
          const expected = noGradient(() => model.forward(images)).toArray();
          near(network.logits(images).toArray(), expected, 1e-4, "the logits");
        }
      }
      network.dispose();
    });
    assert.equal(liveTensors(), before);
  });
}

test("gradients of the parts of a batch add up", options, () => {
  scope(() => {
    using model = createModel("resnet18_small", { classes: CLASSES, inChannels: 3 }, { width: 16 });
    xavierUniform(model, 1);
    moveTo(model.train(), "cpu");
    const shape = [BATCH, 3, 16, 16] as const;
    const forward = (images: Tensor) => [model.forward(images)] as const;
    const training = new CompiledTraining(engine as FastEngine, model, { shape, masters: new Map(), forward });
    const images = noise(16);
    const once = () => backward(crossEntropy(training.forward(images)[0] as Tensor, labels(BATCH, CLASSES)));
    once();
    training.backward(false);
    const single = new Map(
      Array.from(model.parameters(), ([name, parameter]) => [name, gradientOf(parameter)?.toArray()]),
    );
    once();
    training.backward(false);
    once();
    training.backward(true);
    for (const [name, parameter] of model.parameters()) {
      const doubled = single.get(name)?.map((value) => 2 * value) ?? [];
      near(gradientOf(parameter)?.toArray() ?? [], doubled, 1e-5, name);
    }
    training.dispose();
  });
});

for (const [layout, by] of Object.entries(LAYOUTS)) {
  test(
    `bf16: no farther from float32 than three times libtorch's bf16, in ${layout}`,
    options.skip ? options : whereBf16,
    () => {
      scope(() => {
        using model = createModel("resnet18_small", { classes: CLASSES, inChannels: 3 }, { width: 16 });
        xavierUniform(model, 1);
        moveTo(model.train(), "cpu");
        const images = noise(16);
        const exact = pass(model, () => model.forward(images));
        const masters = lowerPrecision(model, "bf16", "cpu");
        const plain = pass(model, () => toDType(model.forward(toDType(images, "bfloat16")), "float32"));
        const fast = fastPass(model, images, by as FastEngine, masters);
        const distance = (found: Passed) => apart(found.logits, exact.logits);
        assert.ok(distance(plain) > 1e-4, "the test could not see the rounding");
        assert.ok(distance(fast) < 3 * distance(plain), `${distance(fast)}, libtorch's ${distance(plain)}`);
        for (const master of masters.values()) master.dispose();
      });
    },
  );
}

test(
  "a layer that the engine lacks is left to the plain path, or named where only the fast one was wanted",
  options,
  () => {
    scope(() => {
      class Odd extends Module {
        readonly conv = new Conv2d(3, 16, 3);
        readonly dropout = new Dropout(0.5);
        override forward(images: Tensor): Tensor {
          return this.conv.forward(images);
        }
      }
      using model = new Odd().train();
      const make = (by: FastEngine) =>
        new CompiledTraining(by, model, {
          shape: [BATCH, 3, 8, 8],
          masters: new Map(),
          forward: (images) => [model.forward(images)],
        });
      assert.equal(whereSupported(engine, DEFAULT_ENGINE, make), undefined);
      assert.throws(
        () => whereSupported(engine, { engine: "fast", winograd: true }, make),
        /^InputError: engine .*linear layer/,
      );
    });
  },
);

test("a kind of operation that no kernel has registered is an error that names it", { skip: !engine }, () => {
  const description = {
    bfloat16: false,
    training: false,
    channelsLast: false,
    values: [],
    operations: [{ kind: "twist" }],
  };
  assert.throws(() => engine?.addon.compile(description), /there is no operation twist/);
});
