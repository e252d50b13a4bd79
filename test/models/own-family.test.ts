/** A family that only its own file knows, with a layer that only it has: every part of training finds in it what it needs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "../../src/settings/zod.js";
import { IMAGENET_PHOTOS, type ModelEntry } from "../../src/models/entry.js";
import { partsOf } from "../../src/models/parts.js";
import { costOf } from "../../src/models/profile.js";
import { MODELS } from "../../src/models/registry.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { GlobalAvgPool2d } from "../../src/nn/layers/pooling.js";
import { chain, type LayerCost, Module, Parameter } from "../../src/nn/module.js";
import { BIAS, NORM, WEIGHT } from "../../src/nn/parameter-role.js";
import { describePrecision, lowerPrecision } from "../../src/nn/precision.js";
import { isResidualBlock, type ResidualBlock } from "../../src/nn/residual-block.js";
import { rawTensor } from "../../src/nn/state-dict.js";
import { addInPlace, conv2d, full, mul, reluInPlace, reshape, toDType } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { zeroGammas } from "../../src/tricks/zero-gamma.js";
import { decayGroups } from "../support/decay-groups.js";
import { fitWeights, taskOfWeights } from "../../src/weights/fit-weights.js";

/** A 3x3 convolution with a bias, which knack's own layers never have. */
class BiasedConv extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
  ) {
    super();
    this.weight = Parameter.of(full([outChannels, inChannels, 3, 3], 0), WEIGHT);
    this.bias = Parameter.of(full([outChannels], 0), BIAS);
  }

  override forward(input: Tensor): Tensor {
    return conv2d(input, this.weight, this.bias, { padding: 1 });
  }

  override cost([batch = 0, , height = 0, width = 0]: readonly number[]): LayerCost {
    const outputShape = [batch, this.outChannels, height, width];
    return { outputShape, multiplyAdds: batch * height * width * this.weight.size };
  }
}

/** Scales each channel, as the last step of a LayerNorm; beside it a square that only the test uses, under a name of its own. */
class Scale extends Module {
  readonly gamma: Parameter;
  readonly mixing: Parameter;

  constructor(channels: number) {
    super();
    this.gamma = Parameter.of(full([channels], 1), NORM);
    this.mixing = Parameter.of(full([channels, channels], 0), { decays: true, lowers: false, starts: "xavier" });
  }

  override forward(input: Tensor): Tensor {
    // Gamma is float32 in 16-bit training too; what comes out is what went in.
    return scope(() => toDType(mul(input, reshape(this.gamma, [1, this.gamma.size, 1, 1])), input.dtype));
  }
}

class Block extends Module implements ResidualBlock {
  readonly conv: Conv2d;
  readonly norm: BatchNorm2d;

  constructor(channels: number) {
    super();
    this.conv = new Conv2d(channels, channels, 3, { padding: 1 });
    this.norm = new BatchNorm2d(channels);
  }

  get lastNorm(): BatchNorm2d {
    return this.norm;
  }

  override forward(input: Tensor): Tensor {
    return reluInPlace(addInPlace(chain(input, this.conv, this.norm), input));
  }
}

class Toy extends Module {
  readonly stem: BiasedConv;
  readonly scale = new Scale(4);
  readonly block = new Block(4);
  readonly pool = new GlobalAvgPool2d();
  readonly top: Linear;

  constructor(classes: number, inChannels: number) {
    super();
    this.stem = new BiasedConv(inChannels, 4);
    this.top = new Linear(4, classes);
  }

  override forward(images: Tensor): Tensor {
    return chain(images, this.stem, this.scale, this.block, this.pool, this.top);
  }
}

const TOY: ModelEntry = {
  name: "toy",
  inputSize: 8,
  smallestInput: 1,
  photos: IMAGENET_PHOTOS,
  classifiers: ["top"],
  options: z.strictObject({}),
  residual: true,
  build: ({ classes, inChannels }) => new Toy(classes, inChannels),
};

const build = () => TOY.build({ classes: 3, inChannels: 3 }, {}) as Toy;
const names = (some: Iterable<Parameter>, model: Module) => {
  const all = new Map(Array.from(model.parameters(), ([name, parameter]) => [parameter, name]));
  return Array.from(some, (parameter) => all.get(parameter));
};

test("what starts drawn is drawn, each from a stream of its own; the rest stays as made", () => {
  using model = build();
  xavierUniform(model, 1);
  const largest = (parameter: Parameter) => Math.max(...parameter.toArray().map(Math.abs));
  for (const [parameter, bound] of [
    [model.stem.weight, Math.sqrt(6 / (9 * (3 + 4)))],
    [model.scale.mixing, Math.sqrt(6 / 8)],
    [model.block.conv.weight, Math.sqrt(6 / (9 * 8))],
    [model.top.weight, Math.sqrt(6 / 7)],
  ] as const) {
    assert.ok(largest(parameter) > bound / 2 && largest(parameter) <= bound);
  }
  assert.deepEqual(model.scale.gamma.toArray(), [1, 1, 1, 1]);
  assert.deepEqual([model.stem.bias, model.top.bias, model.block.norm.bias].map(largest), [0, 0, 0]);
});

test("the stream of a weight is its layer's, so that knack's own and a new layer of one path share it", () => {
  class Own extends Module {
    readonly stem = new Conv2d(3, 4, 3);
    override forward(input: Tensor): Tensor {
      return this.stem.forward(input);
    }
  }
  using model = build();
  using own = new Own();
  for (const each of [model, own]) xavierUniform(each, 5);
  assert.deepEqual(rawTensor(model.stem.weight), rawTensor(own.stem.weight));
});

test("weight decay and 16 bit go by what the layers say", () => {
  using model = build();
  const { decayed, undecayed } = decayGroups(model);
  assert.deepEqual([...decayed.keys()], ["stem.weight", "scale.mixing", "block.conv.weight", "top.weight"]);
  assert.deepEqual(
    [...undecayed.keys()],
    ["stem.bias", "scale.gamma", "block.norm.weight", "block.norm.bias", "top.bias"],
  );
  const masters = lowerPrecision(model, "bf16", "cpu");
  const lowered = ["stem.weight", "stem.bias", "block.conv.weight", "top.weight", "top.bias"];
  assert.deepEqual(names(masters.keys(), model), lowered);
  for (const [name, { dtype }] of model.parameters()) {
    assert.equal(dtype, lowered.includes(name) ? "bfloat16" : "float32", name);
  }
  assert.deepEqual(describePrecision(model), [
    "1 BiasedConv bfloat16",
    "1 Conv2d bfloat16",
    "1 Linear bfloat16",
    "1 Scale float32",
    "1 BatchNorm2d float32",
  ]);
  for (const master of masters.values()) master.dispose();
});

test("zero gamma finds the block, and the head is what the entry names", () => {
  using model = build();
  assert.deepEqual(zeroGammas(model), ["block.norm.weight"]);
  assert.deepEqual(model.block.norm.weight.toArray(), [0, 0, 0, 0]);
  const { head, backbone } = partsOf(model, TOY.classifiers);
  assert.deepEqual(names(head, model), ["top.weight", "top.bias"]);
  assert.equal(head.size + backbone.size, [...model.parameters()].length);
});

test("in 16-bit training its own layers pass 16 bit on", () => {
  using model = build();
  const masters = lowerPrecision(model, "bf16", "cpu");
  const dtype = scope(() => model.forward(full([2, 3, 8, 8], 1, "bfloat16")).dtype);
  assert.equal(dtype, "bfloat16");
  for (const master of masters.values()) master.dispose();
});

test("its cost is what its layers say", () => {
  using model = build().eval();
  const pixels = 8 * 8;
  assert.deepEqual(costOf(model, [1, 3, 8, 8]), {
    macs: pixels * 9 * (3 * 4 + 4 * 4) + 4 * 3,
    activations: pixels * (4 + 4) + 3,
  });
});

test("weights of another program fit: the classifier by another name, for other classes, other channels", () => {
  using model = build();
  using trained = TOY.build({ classes: 9, inChannels: 1 }, {});
  const raw = new Map(Array.from(trained.state(), ([name, tensor]) => [name, rawTensor(tensor)]));
  for (const part of ["weight", "bias"]) {
    const tensor = raw.get(`top.${part}`);
    assert.ok(tensor);
    raw.set(`head.${part}`, tensor);
    raw.delete(`top.${part}`);
  }
  assert.deepEqual(taskOfWeights(model, TOY, raw), { classes: 9, inChannels: 1 });
  const { notes, weights } = fitWeights(model, TOY, raw, { replaceHead: true });
  assert.deepEqual(notes, ["head is called top here", "top re-initialised: the file has 9 classes, the model 3"]);
  assert.deepEqual(weights.get("top.weight"), rawTensor(model.top.weight));
});

test("what the entries of the registry say is so in the models", () => {
  for (const { name, build, classifiers, residual, auxiliary, small, deeper, tweaks } of MODELS.values()) {
    const options = auxiliary ? { [auxiliary.option]: true } : {};
    using model = build({ classes: 7, inChannels: 3 }, options);
    const parameters = new Map(model.parameters());
    for (const path of classifiers) assert.equal(parameters.get(`${path}.weight`)?.shape[0], 7, `${name}: ${path}`);
    const linear = [...model.modules()].flatMap(([path, layer]) => (layer instanceof Linear ? [path] : []));
    assert.deepEqual(linear.sort(), [...classifiers].sort(), name);
    assert.equal(
      Array.from(model.modules()).some(([, module]) => isResidualBlock(module)),
      residual,
      name,
    );
    if (auxiliary)
      assert.ok(
        [...parameters.keys()].some((key) => key.startsWith(`${auxiliary.path}.`)),
        name,
      );
    for (const other of [small, deeper, ...Object.values(tweaks?.names ?? {})]) {
      if (other !== undefined) assert.ok(MODELS.has(other), `${name}: ${other}`);
    }
  }
});
