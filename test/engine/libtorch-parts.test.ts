/** Networks in parts: what the fast engine lacks is libtorch's, and the rest of the network stays the engine's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { FastEngine, whereSupported } from "../../src/engine/engine.js";
import { CompiledInference } from "../../src/engine/inference.js";
import { CompiledTraining } from "../../src/engine/training.js";
import { addon } from "../../src/native/torch/addon.js";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { Dropout } from "../../src/nn/layers/dropout.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { GlobalAvgPool2d } from "../../src/nn/layers/pooling.js";
import { chain, Module } from "../../src/nn/module.js";
import { lowerPrecision } from "../../src/nn/precision.js";
import { backward, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { tensorOperator } from "../../src/tensor/operator.js";
import {
  crossEntropy,
  full,
  mean,
  mul,
  normalInPlace,
  permute,
  relu,
  requireGradient,
  reshape,
  toDType,
} from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { whereBf16 } from "../support/bf16.js";
import { apart, fastPass, fill, labels, near, type Passed, pass } from "../support/engine-passes.js";

addon.setThreads(1);

const engine = FastEngine.open(DEFAULT_ENGINE, { device: "cpu", precision: "fp32" });
const options = { skip: engine === undefined && "the fast engine cannot be had on this machine" };

const CLASSES = 5;
const SHAPE = [4, 3, 12, 12] as const;
const sigmoid = tensorOperator("aten::sigmoid") as (x: Tensor) => Tensor;
const elu = tensorOperator("aten::elu") as (x: Tensor) => Tensor;

/** ELU, and a shuffle of channels with dropout, which the engine lacks; squeeze and excitation and a grouped convolution, which it has. */
class Gated extends Module {
  readonly stem = new Conv2d(3, 16, 3, { padding: 1 });
  readonly norm = new BatchNorm2d(16);
  readonly squeeze = new Conv2d(16, 4, 1);
  readonly excite = new Conv2d(4, 16, 1);
  readonly grouped = new Conv2d(16, 32, 3, { padding: 1, groups: 4 });
  readonly grouped_norm = new BatchNorm2d(32);
  readonly dropout = new Dropout(0.25);
  readonly last = new Conv2d(32, 32, 3, { padding: 1, stride: 2 });
  readonly last_norm = new BatchNorm2d(32);
  readonly pool = new GlobalAvgPool2d();
  readonly head = new Linear(32, CLASSES);

  override forward(images: Tensor): Tensor {
    const gate = (x: Tensor) => mul(x, sigmoid(chain(mean(x, [2, 3], true), this.squeeze, relu, this.excite)));
    const { stem, norm, grouped, grouped_norm, dropout, last, last_norm, pool, head } = this;
    return scope(() =>
      chain(images, stem, norm, elu, gate, grouped, grouped_norm, shuffle, dropout, last, last_norm, relu, pool, head),
    );
  }
}

/** The channels of two groups in turn: the batch is in a size that is no size of the images'. */
function shuffle(x: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const pairs = reshape(x, [2 * batch, channels / 2, height, width]);
  return reshape(permute(reshape(pairs, [batch, 2, channels / 2, height, width]), [0, 2, 1, 3, 4]), [
    batch,
    channels,
    height,
    width,
  ]);
}

function noise(batch: number, seed = batch): Tensor {
  using generator = new Generator(seed);
  return normalInPlace(full([batch, ...SHAPE.slice(1)], 0), 0, 1, generator);
}

function filled(seed = 1): Gated {
  const model = new Gated();
  fill(model, seed);
  model.dropout.seed = 7;
  return model;
}

const compiled = (model: Module, batch: number = SHAPE[0]) =>
  new CompiledTraining(engine as FastEngine, model.train(), {
    shape: [batch, SHAPE[1], SHAPE[2], SHAPE[3]],
    masters: new Map(),
    forward: (images) => [model.forward(images)],
  });

test("training: logits, gradients and statistics are libtorch's alone, for any batch", options, () => {
  for (const batch of [2, 4, 5]) {
    scope(() => {
      using model = filled();
      model.train();
      const images = noise(batch);
      const plain = pass(model, () => model.forward(images));
      const fast = fastPass(model, images, engine as FastEngine, new Map());
      near(fast.logits, plain.logits, 1e-4, "the logits");
      for (const [name, values] of plain.gradients) near(fast.gradients.get(name) ?? [], values, 1e-3, name);
      for (const [name, values] of plain.statistics) near(fast.statistics.get(name) ?? [], values, 1e-4, name);
    });
  }
});

test("what goes to libtorch is said, and is what the engine lacks", options, () => {
  scope(() => {
    using model = filled();
    const training = compiled(model);
    assert.deepEqual(training.inLibtorch, ["elu", "reshape", "permute", "dropout"]);
    const kinds = training.description.operations.map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === "convolution").length, 5, kinds.join(" "));
    assert.ok(kinds.includes("activation") && kinds.includes("channelScale"), kinds.join(" "));
    training.dispose();
  });
});

test("evaluation: logits for batches of any size, with new weights too, and nothing is left behind", options, () => {
  const before = liveTensors();
  scope(() => {
    using model = filled();
    model.eval();
    const inference = new CompiledInference(engine as FastEngine, model, [3, 12, 12], false);
    for (const seed of [1, 2]) {
      fill(model, seed);
      inference.refresh();
      for (const batch of [1, 2, 3, 7, 2]) {
        const images = noise(batch);
        near(inference.logits(images).toArray(), noGradient(() => model.forward(images)).toArray(), 1e-4, "the logits");
      }
    }
    inference.dispose();
  });
  assert.equal(liveTensors(), before);
});

test("gradients of the parts of a batch add up, and tensors do not", options, () => {
  scope(() => {
    using model = filled();
    const training = compiled(model);
    const images = noise(SHAPE[0]);
    const once = (accumulate: boolean) =>
      scope(() => {
        backward(crossEntropy(training.forward(images)[0] as Tensor, labels(SHAPE[0], CLASSES)));
        training.backward(accumulate);
      });
    const gradients = () =>
      new Map(Array.from(model.parameters(), ([name, parameter]) => [name, gradientOf(parameter)?.toArray() ?? []]));
    once(false);
    const single = scope(gradients);
    const before = liveTensors();
    for (const accumulate of [false, true]) once(accumulate);
    assert.equal(liveTensors(), before);
    for (const [name, values] of scope(gradients)) {
      near(
        values,
        (single.get(name) ?? []).map((value) => 2 * value),
        1e-5,
        name,
      );
    }
    training.dispose();
  });
});

test("a part without anything that learns before it asks the engine for no gradient", options, () => {
  scope(() => {
    using model = filled();
    for (const [name, parameter] of model.parameters()) {
      if (/^(stem|norm|squeeze|excite|grouped)/.test(name)) requireGradient(parameter, false);
    }
    model.train();
    for (const frozen of [model.norm, model.grouped_norm]) frozen.training = false;
    const images = noise(SHAPE[0]);
    const plain = pass(model, () => model.forward(images));
    const fast = fastPass(model, images, engine as FastEngine, new Map());
    near(fast.logits, plain.logits, 1e-4, "the logits");
    for (const [name, values] of plain.gradients) near(fast.gradients.get(name) ?? [], values, 1e-3, name);
    assert.deepEqual(fast.gradients.get("stem.weight"), []);
    assert.notDeepEqual(fast.gradients.get("last.weight"), []);
  });
});

test("bf16: no farther from float32 than three times libtorch's bf16", options.skip ? options : whereBf16, () => {
  scope(() => {
    using model = filled();
    model.train();
    const images = noise(16);
    const exact = pass(model, () => model.forward(images));
    const masters = lowerPrecision(model, "bf16", "cpu");
    const plain = pass(model, () => toDType(model.forward(toDType(images, "bfloat16")), "float32"));
    const fast = fastPass(model, images, engine as FastEngine, masters);
    const distance = (found: Passed) => apart(found.logits, exact.logits);
    assert.ok(distance(plain) > 1e-4, "the test could not see the rounding");
    assert.ok(distance(fast) < 3 * distance(plain), `${distance(fast)}, libtorch's ${distance(plain)}`);
    const gradient = "squeeze.weight";
    const [near32, ofPlain] = [fast, plain].map((found) =>
      apart(found.gradients.get(gradient) ?? [], exact.gradients.get(gradient) ?? []),
    );
    assert.ok((near32 as number) < 3 * (ofPlain as number) + 0.02, `${near32}, libtorch's ${ofPlain}`);
    for (const master of masters.values()) master.dispose();
  });
});

test("sizes that oneDNN has no fast code for are libtorch's", options, () => {
  class Grouped extends Module {
    readonly stem = new Conv2d(3, 64, 3, { padding: 1 });
    readonly wide = new Conv2d(64, 64, 3, { padding: 1 });
    readonly groups = new Conv2d(64, 64, 3, { padding: 1, groups: 8 });
    readonly pool = new GlobalAvgPool2d();
    readonly head = new Linear(64, CLASSES);

    override forward(images: Tensor): Tensor {
      return chain(images, this.stem, this.wide, this.groups, relu, this.pool, this.head);
    }
  }
  scope(() => {
    using model = new Grouped();
    fill(model, 1);
    model.train();
    const images = noise(16);
    const plain = pass(model, () => model.forward(images));
    const fast = fastPass(model, images, engine as FastEngine, new Map());
    near(fast.logits, plain.logits, 1e-4, "the logits");
    for (const [name, values] of plain.gradients) near(fast.gradients.get(name) ?? [], values, 1e-3, name);
    const training = compiled(model, 16);
    // Eight channels a group fill a block with AVX2 alone.
    assert.deepEqual(training.inLibtorch, engine?.block === 16 ? ["conv2d"] : []);
    training.dispose();
  });
});

test(
  "a network of which the engine has less than half of the multiplications is libtorch's, and what it lacks is named",
  options,
  () => {
    class Foreign extends Module {
      readonly stem = new Conv2d(3, 16, 1);
      readonly body = new Conv2d(16, 64, 3, { padding: 1 });
      readonly pool = new GlobalAvgPool2d();
      readonly head = new Linear(64, CLASSES);

      override forward(images: Tensor): Tensor {
        const dilated = (x: Tensor) => atenConv2d(x, this.body.weight, null, [1, 1], [2, 2], [2, 2]);
        return scope(() => chain(images, this.stem, dilated, relu, this.pool, this.head));
      }
    }
    scope(() => {
      using model = new Foreign();
      fill(model, 1);
      const make = () => compiled(model);
      assert.equal(whereSupported(engine, DEFAULT_ENGINE, make), undefined);
      assert.throws(
        () => whereSupported(engine, { engine: "fast", winograd: true }, make),
        /^InputError: engine \(--engine fast\): it lacks aten::conv2d; use --engine auto/,
      );
    });
  },
);

const atenConv2d = tensorOperator("aten::conv2d") as (
  input: Tensor,
  weight: Tensor,
  bias: null,
  stride: readonly number[],
  padding: readonly number[],
  dilation: readonly number[],
) => Tensor;
