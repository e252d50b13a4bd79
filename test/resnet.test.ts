import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../src/errors.js";
import { createModel, MODELS } from "../src/models/registry.js";
import { RESNET_DEPTHS, ResNet, type ResNetDepth, type ResNetOptions } from "../src/models/resnet.js";
import { addon } from "../src/native/addon.js";
import { Conv2d } from "../src/nn/conv2d.js";
import { xavierUniform } from "../src/nn/initialise.js";
import { Linear } from "../src/nn/linear.js";
import { StateBuffer } from "../src/nn/module.js";
import { fromRawTensor, loadStateDict, rawTensor, stateDict } from "../src/nn/state-dict.js";
import { noGradient } from "../src/tensor/autograd.js";
import { Generator } from "../src/tensor/generator.js";
import { full, normalInPlace, uniformInPlace } from "../src/tensor/ops.js";
import type { RawTensor } from "../src/tensor/raw-tensor.js";
import { liveTensors, scope } from "../src/tensor/scope.js";
import type { Tensor } from "../src/tensor/tensor.js";
import { askPython, runPython } from "./oracle.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const B50: ResNetOptions = { depth: 50, variant: "b", small: false, classes: 10, inChannels: 3, width: 64 };
const TINY: ResNetOptions = { depth: 18, variant: "b", small: true, classes: 10, inChannels: 3, width: 4 };

/** Weights and statistics none of which is 0 or 1, so that no entry can be mixed up with another unnoticed. */
function randomise(model: ResNet): void {
  xavierUniform(model, 1);
  using generator = new Generator(2);
  noGradient(() => {
    for (const [name, tensor] of model.state()) {
      if (name.endsWith("running_var")) uniformInPlace(tensor, 0.5, 1.5, generator);
      else if (name.endsWith("running_mean") || name.endsWith("bias")) normalInPlace(tensor, 0, 0.2, generator);
      else if (tensor.shape.length === 1) uniformInPlace(tensor, 0.5, 1.5, generator);
    }
  });
}

function randomImages(...shape: number[]): Tensor {
  using generator = new Generator(3);
  return normalInPlace(full(shape, 0), 0, 1, generator);
}

function numbers(raw: RawTensor | undefined): number[] {
  assert.ok(raw, "PyTorch did not return this tensor");
  using tensor = fromRawTensor(raw);
  return tensor.toArray();
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** The largest difference, relative to the largest expected number where that is more than 1. */
function difference(actual: readonly number[], expected: readonly number[]): number {
  assert.equal(actual.length, expected.length);
  return largest(actual.map((value, i) => value - (expected[i] ?? Number.NaN))) / Math.max(1, largest(expected));
}

interface TorchvisionModel {
  readonly parameters: number;
  readonly state: readonly (readonly [string, readonly number[]])[];
}

test("parameter counts, state dict names, their order and shapes are torchvision's at every depth of B", () => {
  const expected = JSON.parse(runPython("resnet_names.py")) as Record<ResNetDepth, TorchvisionModel>;
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

const CASES: Record<string, { oracle: "torchvision" | "reference"; options: ResNetOptions }> = {
  "ResNet-18-B": { oracle: "torchvision", options: { ...B50, depth: 18 } },
  "ResNet-50-B": { oracle: "torchvision", options: B50 },
  "ResNet-50-v1": { oracle: "reference", options: { ...B50, variant: "v1", width: 16 } },
  "ResNet-50-C": { oracle: "reference", options: { ...B50, variant: "c", width: 16 } },
  "ResNet-18-D, 1 channel": {
    oracle: "reference",
    options: { ...B50, depth: 18, variant: "d", inChannels: 1, width: 16 },
  },
  "ResNet-50-D": { oracle: "reference", options: { ...B50, variant: "d", width: 16 } },
  "ResNet-34-B, small, 1 channel": { oracle: "reference", options: { ...TINY, depth: 34, inChannels: 1, width: 8 } },
  "ResNet-50-D, small": { oracle: "reference", options: { ...TINY, depth: 50, variant: "d", width: 8 } },
};

for (const [name, { oracle, options }] of Object.entries(CASES)) {
  test(`${name}: the same weights give PyTorch's logits and running statistics`, () => {
    using model = new ResNet(options);
    randomise(model);
    // An odd size for the small form, so that its pooling has a rest.
    const size = options.small ? 29 : 64;
    using images = randomImages(2, options.inChannels, size, size);
    const question = stateDict(model).set("images", rawTensor(images));
    const answer = askPython("resnet_forward.py", question, JSON.stringify({ oracle, ...options }));
    for (const mode of ["eval", "train"] as const) {
      const logits = scope(() =>
        noGradient(() =>
          model
            .train(mode === "train")
            .forward(images)
            .toArray(),
        ),
      );
      const off = difference(logits, numbers(answer.get(mode)));
      assert.ok(off < 1e-4, `the logits in ${mode} mode are ${off} off`);
    }
    for (const [entry, tensor] of model.state()) {
      if (!(tensor instanceof StateBuffer)) continue;
      const off = difference(tensor.toArray(), numbers(answer.get(`buffers/${entry}`)));
      assert.ok(off < 1e-4, `${entry} is ${off} off after a pass in training mode`);
    }
  });
}

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

test("every registered model runs on the image size it names", { timeout: 60_000 }, () => {
  assert.equal(MODELS.size, RESNET_DEPTHS.length * 4 * 2);
  for (const name of MODELS.keys()) {
    if (!name.startsWith("resnet18") && !name.startsWith("resnet50d")) continue;
    const size = MODELS.get(name)?.inputSize ?? 0;
    using model = createModel(name, { classes: 7, inChannels: 1 }, { width: 4 }).eval();
    using images = randomImages(1, 1, size, size);
    using logits = noGradient(() => model.forward(images));
    assert.deepEqual(logits.shape, [1, 7], name);
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
