/** What the fast engine evaluates is compared with the plain engine once for each network; what it cannot reproduce is the plain one's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { FastEngine, whereSupported } from "../../src/engine/engine.js";
import { CompiledInference, compiledInference } from "../../src/engine/inference.js";
import { CompiledTraining } from "../../src/engine/training.js";
import { addon } from "../../src/native/torch/addon.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { GlobalAvgPool2d } from "../../src/nn/layers/pooling.js";
import { Module, Parameter } from "../../src/nn/module.js";
import { NORM } from "../../src/nn/parameter-role.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { Generator } from "../../src/tensor/generator.js";
import { conv2d, copyInPlace, full, normalInPlace, relu } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { fill } from "../support/engine-passes.js";

addon.setThreads(1);

const fast = FastEngine.open(DEFAULT_ENGINE, { device: "cpu", precision: "fp32" });
const options = { skip: fast === undefined && "the fast engine cannot be had on this machine" };
const task = { device: "cpu", precision: "fp32" } as const;
const SHAPE = [3, 9, 9] as const;

class Small extends Module {
  readonly conv = new Conv2d(3, 16, 3, { padding: 1 });
  readonly pool = new GlobalAvgPool2d();
  readonly head = new Linear(16, 5);

  override forward(images: Tensor): Tensor {
    return this.head.forward(this.pool.forward(this.#activated(this.conv.forward(images))));
  }

  /** Where that is wanted, something else from the second time on: the graph has the first. */
  #activated(x: Tensor): Tensor {
    this.#calls += 1;
    return this.#fickle && this.#calls > 1 ? x : relu(x);
  }
  #calls = 0;
  readonly #fickle: boolean;

  constructor(fickle = false) {
    super();
    this.#fickle = fickle;
    fill(this, 1);
  }
}

/** One convolution twice: what the first of its operations has in its layout, the second still reads. */
class Tied extends Module {
  readonly conv = new Conv2d(3, 32, 3, { padding: 1 });
  readonly twice = new Conv2d(32, 32, 3, { padding: 1 });
  readonly pool = new GlobalAvgPool2d();
  readonly head = new Linear(32, 5);

  constructor() {
    super();
    fill(this, 1);
  }

  override forward(images: Tensor): Tensor {
    const once = this.twice.forward(this.conv.forward(images));
    return this.head.forward(this.pool.forward(this.twice.forward(once)));
  }
}

function noise(batch: number): Tensor {
  using generator = new Generator(1);
  return normalInPlace(full([batch, ...SHAPE], 0), 0, 1, generator);
}

test("one weight of two convolutions", options, () => {
  scope(() => {
    using model = new Tied();
    model.eval();
    const network = new CompiledInference(fast as FastEngine, model, SHAPE, false);
    for (const batch of [1, 2, 3]) {
      const images = noise(batch);
      const expected = noGradient(() => model.forward(images)).toArray();
      for (const [index, logit] of network.logits(images).toArray().entries()) {
        assert.ok(Math.abs(logit - (expected[index] as number)) < 1e-4 * Math.hypot(...expected), `${batch} images`);
      }
    }
    network.dispose();
  });
});

test("a network that it reproduces is the fast engine's", options, () => {
  using model = new Small();
  const compiled = compiledInference(model, SHAPE, task);
  assert.ok(compiled);
  compiled.dispose();
});

test("one that it computes otherwise is the plain engine's, with a note", options, async () => {
  using model = new Small(true);
  const warned = once(process, "warning");
  assert.equal(compiledInference(model, SHAPE, task), undefined);
  const [warning] = await warned;
  assert.match(String(warning), /engine: plain, since the fast one lacks .*its logits are not libtorch's/);
});

test("where only the fast engine was wanted that is an error", options, () => {
  using model = new Small(true);
  const choice = { ...DEFAULT_ENGINE, engine: "fast" } as const;
  assert.throws(
    () => compiledInference(model, SHAPE, { ...task, engine: choice }),
    /^InputError: .*logits are not libtorch's/,
  );
});

test(
  "weights or images that are not finite are evaluated as by libtorch, and the mode of each layer stays",
  options,
  () => {
    scope(() => {
      using model = new Small();
      model.train();
      model.head.train(false);
      const compiled = new CompiledInference(fast as FastEngine, model, SHAPE, false);
      const images = noise(2);
      const expected = (given: Tensor) => noGradient(() => model.forward(given)).toArray();
      const broken = Float32Array.from(images.toArray());
      broken[7] = Number.NaN;
      const brokenImages = Tensor.from(broken, images.shape);
      assert.deepEqual(compiled.logits(brokenImages).toArray(), expected(brokenImages));
      const weights = Float32Array.from(model.conv.weight.toArray());
      weights[30] = Number.NaN;
      noGradient(() => copyInPlace(model.conv.weight, Tensor.from(weights, model.conv.weight.shape)));
      compiled.refresh();
      assert.ok(compiled.logits(images).toArray().every(Number.isNaN));
      // Finite weights whose products overflow: plus and minus infinity meet in the linear layer.
      noGradient(() => copyInPlace(model.conv.weight, full(model.conv.weight.shape, 3e38)));
      compiled.refresh();
      const overflown = compiled.logits(images).toArray();
      assert.ok(
        overflown.some((value) => !Number.isFinite(value)),
        String(overflown),
      );
      assert.deepEqual(overflown, expected(images));
      fill(model, 1);
      compiled.refresh();
      assert.ok(compiled.logits(images).toArray().every(Number.isFinite), "the fast engine's again");
      assert.deepEqual([model.training, model.conv.training, model.head.training], [true, true, false]);
      compiled.dispose();
    });
  },
);

test("a convolution with a bias is trained by the plain engine: the fast one has no gradient for it", options, () => {
  class Biased extends Small {
    readonly bias = Parameter.of(full([16], 1), NORM);
    override forward(images: Tensor): Tensor {
      const x = conv2d(images, this.conv.weight, this.bias, { padding: [1, 1] });
      return this.head.forward(this.pool.forward(relu(x)));
    }
  }
  using model = new Biased();
  model.train();
  const make = (by: FastEngine) =>
    new CompiledTraining(by, model, {
      shape: [2, ...SHAPE],
      masters: new Map(),
      forward: (given) => [model.forward(given)],
    });
  assert.equal(whereSupported(fast, DEFAULT_ENGINE, make), undefined);
  const compiled = compiledInference(model, SHAPE, task);
  assert.ok(compiled, "evaluated by the fast one");
  compiled.dispose();
});
