import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../src/base/errors.js";
import { createModel } from "../../src/models/registry.js";
import { RESNET_DEPTHS, ResNet, type ResNetDepth, type ResNetOptions } from "../../src/models/families/resnet.js";
import { addon } from "../../src/native/torch/addon.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { loadStateDict, stateDict } from "../../src/nn/state-dict.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { liveTensors } from "../../src/tensor/scope.js";
import { largest, randomImages, randomise } from "../support/against-pytorch.js";
import { runPython } from "../support/oracle.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const B50: ResNetOptions = { depth: 50, variant: "b", small: false, classes: 10, inChannels: 3, width: 64 };
const TINY: ResNetOptions = { depth: 18, variant: "b", small: true, classes: 10, inChannels: 3, width: 4 };

interface TorchvisionModel {
  readonly parameters: number;
  readonly state: readonly (readonly [string, readonly number[]])[];
}

test("parameter counts, state dict names, their order and shapes are torchvision's at every depth of B", () => {
  const models = Object.fromEntries(RESNET_DEPTHS.map((depth) => [depth, [`resnet${depth}`, {}]]));
  const answer = runPython("torchvision_names.py", JSON.stringify(models));
  const expected = JSON.parse(answer) as Record<ResNetDepth, TorchvisionModel>;
  for (const depth of RESNET_DEPTHS) {
    using model = new ResNet({ ...B50, depth, classes: 1000 });
    const parameters = Array.from(model.parameters(), ([, parameter]) => parameter.size);
    assert.equal(
      parameters.reduce((a, b) => a + b, 0),
      expected[depth].parameters,
    );
    assert.deepEqual(
      Array.from(model.state(), ([name, tensor]) => [name, tensor.shape]),
      expected[depth].state,
    );
  }
});

test("C and D have timm's names where they differ from torchvision's", () => {
  using c = new ResNet({ ...TINY, variant: "c" });
  using d = new ResNet({ ...TINY, variant: "d" });
  const names = (model: ResNet) => Array.from(model.parameters(), ([name]) => name);
  assert.deepEqual(names(d).slice(0, 9), [
    "conv1.0.weight",
    "conv1.1.weight",
    "conv1.1.bias",
    "conv1.3.weight",
    "conv1.4.weight",
    "conv1.4.bias",
    "conv1.6.weight",
    "bn1.weight",
    "bn1.bias",
  ]);
  assert.deepEqual(names(c).slice(0, 9), names(d).slice(0, 9));
  const projection = (model: ResNet) => names(model).filter((name) => name.startsWith("layer2.0.downsample"));
  assert.deepEqual(
    projection(c),
    ["0.weight", "1.weight", "1.bias"].map((name) => `layer2.0.downsample.${name}`),
  );
  assert.deepEqual(
    projection(d),
    ["1.weight", "2.weight", "2.bias"].map((name) => `layer2.0.downsample.${name}`),
  );
});

test("a state dict goes from one model to another and back unchanged", () => {
  using one = new ResNet(TINY);
  using other = new ResNet(TINY);
  randomise(one);
  const weights = stateDict(one);
  loadStateDict(other, weights, "one");
  assert.deepEqual(stateDict(other), weights);
});

test("a state dict without num_batches_tracked, as old PyTorch wrote them, loads", () => {
  using model = new ResNet(TINY);
  const weights = stateDict(model);
  for (const name of [...weights.keys()]) if (name.endsWith("num_batches_tracked")) weights.delete(name);
  loadStateDict(model, weights, "old.safetensors");
});

test("weights that do not fit: everything missing, unexpected and wrongly shaped is reported at once, nothing is changed", () => {
  using model = new ResNet(TINY);
  randomise(model);
  const before = stateDict(model);
  const weights = new Map(
    Array.from(before, ([name, raw]) => [name, { ...raw, data: new Uint8Array(raw.data.length) }]),
  );
  weights.delete("bn1.weight");
  weights.delete("layer4.1.conv2.weight");
  weights.set("head.weight", { dtype: "float32", shape: [1], data: new Uint8Array(4) });
  weights.set("fc.weight", { dtype: "float32", shape: [5, 32], data: new Uint8Array(5 * 32 * 4) });
  assert.throws(
    () => loadStateDict(model, weights, "other.safetensors"),
    (error) => {
      assert.ok(error instanceof InputError);
      assert.equal(
        error.message,
        "other.safetensors: the weights do not fit the model: 2 missing (bn1.weight, layer4.1.conv2.weight); " +
          "1 unexpected (head.weight); 1 of another shape (fc.weight is [5, 32], the model's is [10, 32])",
      );
      return true;
    },
  );
  assert.deepEqual(stateDict(model), before);
});

test("Xavier initialisation fills U(-a, a), a = sqrt(6 / (fanIn + fanOut)), and leaves biases and BN alone", () => {
  using model = new ResNet({ ...TINY, width: 16 });
  xavierUniform(model, 5);
  for (const [path, module] of model.modules()) {
    if (module instanceof Conv2d || module instanceof Linear) {
      const [out = 0, input = 0, ...kernel] = module.weight.shape;
      const area = kernel.reduce((a, b) => a * b, 1);
      const bound = Math.sqrt(6 / (input * area + out * area));
      const weights = module.weight.toArray();
      const reach = largest(weights);
      assert.ok(reach <= bound * (1 + 1e-6), `${path}: ${reach} is beyond ${bound}`);
      assert.ok(reach > bound * 0.95, `${path}: ${weights.length} weights reach only ${reach} of ${bound}`);
      const variance = weights.reduce((sum, weight) => sum + weight ** 2, 0) / weights.length;
      assert.ok(Math.abs(variance / (bound ** 2 / 3) - 1) < 0.2, `${path}: variance ${variance}`);
    }
  }
  for (const [name, parameter] of model.parameters()) {
    const constant = name.endsWith("bias") ? 0 : 1;
    if (parameter.shape.length === 1)
      assert.ok(
        parameter.toArray().every((value) => value === constant),
        name,
      );
  }
});

test("the layers that two variants share begin with the same weights, other seeds with others", () => {
  const initialised = (variant: "b" | "d", seed: number) => {
    using model = new ResNet({ ...TINY, variant });
    xavierUniform(model, seed);
    return stateDict(model);
  };
  const [b, d, other] = [initialised("b", 5), initialised("d", 5), initialised("b", 6)];
  const shared = [...b.keys()].filter((name) => d.has(name) && !name.includes("downsample") && name !== "conv1.weight");
  assert.ok(shared.length > 80);
  for (const name of shared) assert.deepEqual(b.get(name), d.get(name), name);
  assert.notDeepEqual(b.get("fc.weight"), other.get("fc.weight"));
});

test("evaluation frees every intermediate at the layer that consumed it", () => {
  for (const depth of [18, 101] as const) {
    using model = new ResNet({ ...TINY, depth, variant: "d" }).eval();
    using images = randomImages(1, 3, 28, 28);
    const before = liveTensors();
    let peak = 0;
    for (const [, module] of model.modules()) {
      const forward = module.forward.bind(module);
      module.forward = (input) => {
        const output = forward(input);
        peak = Math.max(peak, liveTensors() - before);
        return output;
      };
    }
    noGradient(() => model.forward(images)).dispose();
    assert.equal(liveTensors(), before);
    // The block's input, its path, and two within the shortcut.
    assert.ok(peak <= 4, `ResNet-${depth} held ${peak} tensors at once`);
  }
});

test("an unknown model and impossible options are errors that name the key", () => {
  const refuses = (name: string, options: { classes?: number; width?: number }, message: RegExp) =>
    assert.throws(
      () => createModel(name, { classes: options.classes ?? 10, inChannels: 3 }, { width: options.width ?? 64 }),
      (error) => error instanceof InputError && message.test(error.message) && !error.message.includes("\n"),
    );
  refuses("resnet19", {}, /^model: there is no model "resnet19".*resnet18/);
  for (const width of [0, 1, 3, -2, 2.5, Number.NaN]) refuses("resnet18", { width }, /^modelOptions\.width: /);
  for (const classes of [0, 1, 2.5, Number.NaN]) refuses("resnet18", { classes }, /^model: .*classes/);
});
