import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AuxiliaryNetwork } from "../../src/models/auxiliary-network.js";
import type { ModelEntry, ModelOptions } from "../../src/models/entry.js";
import { checkTrainingSize, createModel, MODELS, modelEntry } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { Dropout } from "../../src/nn/layers/dropout.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { Module, StateBuffer } from "../../src/nn/module.js";
import { moveTo } from "../../src/nn/move-to.js";
import { backward, gradientOf, noGradient } from "../../src/tensor/autograd.js";
import { clone, contiguous, full, mul, requireGradient, setData, sumAll, toDType } from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { lowerPrecision } from "../../src/nn/precision.js";
import { decayGroups } from "../support/decay-groups.js";
import { zeroGammas } from "../../src/tricks/zero-gamma.js";
import {
  askForward,
  assertNear,
  calibrate,
  largest,
  type PytorchCase,
  randomImages,
  randomise,
  withoutDropout,
} from "../support/against-pytorch.js";
import { inputError } from "../support/input-error.js";
import { runPython } from "../support/oracle.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const CLASSES = 10;

/** Two pictures [2, channels, size, size]: decoded ones where KNACK_DATA names the folder that has them, else drawn ones. */
async function pictures(size: number, channels = 3): Promise<Tensor> {
  const values: number[] = [];
  for (const picture of [0, 1]) {
    const pixels = process.env.KNACK_DATA ? await decoded(process.env.KNACK_DATA, picture, size) : drawn(picture, size);
    for (let channel = 0; channel < channels; channel++) {
      for (let at = channel; at < pixels.length; at += 3) values.push(((pixels[at] ?? 0) / 255 - 0.45) / 0.225);
    }
  }
  return Tensor.from(values, [2, channels, size, size]);
}

async function decoded(folder: string, index: number, size: number): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  const images = join(folder, "data/imagenet_samples");
  const files = readdirSync(images, { recursive: true, encoding: "utf8" }).filter((file) => /\.jpe?g$/i.test(file));
  const file = join(images, files.sort()[index * 7] ?? "");
  return sharp(file).resize(size, size, { fit: "cover" }).removeAlpha().toColourspace("srgb").raw().toBuffer();
}

/** A disc on a sloping ground, RGB. */
function drawn(picture: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size * size * 3 }, (_, at) => {
    const [channel, x, y] = [at % 3, Math.floor(at / 3) % size, Math.floor(at / 3 / size)];
    const inside = Math.hypot(x - size * (0.3 + 0.3 * picture), y - size * 0.45) < size * 0.25;
    return inside ? 200 - 60 * channel : (180 * (channel === picture ? x : y)) / size + 10 * ((x ^ y) & 7);
  });
}

/** What models_forward.py builds for a registered model. */
function inPytorch(name: string, options: ModelOptions, inChannels: 1 | 3): PytorchCase["pytorch"] {
  const ours = { classes: CLASSES, inChannels };
  if (name === "inception_v3") {
    const { aux_logits = false } = options;
    return { model: name, options: { num_classes: CLASSES, aux_logits, init_weights: false, dropout: 0 } };
  }
  const mobile = /^mobilenetv1_(\d+)$/.exec(name);
  if (mobile) {
    const usual = { pad_type: "", act_layer: "relu6", bn_eps: 1e-5 }; // timm's
    return { model: "MobileNet", options: { multiplier: Number(mobile[1]) / 100, ...ours, ...usual, ...options } };
  }
  const [, depth, variant, small] = /^resnet(\d+)(_v1|c|d)?(_small)?$/.exec(name) ?? [];
  if (["20", "32", "44", "56"].includes(String(depth))) {
    return { model: "CifarResNet", options: { depth: Number(depth), ...ours, width: options.width ?? 16 } };
  }
  assert.ok(depth, `${name} has no reference: say here what test/python/models_forward.py builds for it`);
  if (!variant && !small && !options.width) return { model: `resnet${depth}`, options: { num_classes: CLASSES } };
  const form = { depth: Number(depth), variant: variant?.replace("_", "") ?? "b", small: small !== undefined };
  return { model: "ResNet", options: { ...form, ...ours, width: options.width ?? 64 } };
}

interface Form {
  readonly name: string;
  readonly options?: ModelOptions;
  readonly inChannels?: 1 | 3;
  readonly size: number;
  readonly train?: boolean;
}

/** Fails where the same weights do not give PyTorch's logits on the same pictures. */
async function compare(forms: Readonly<Record<string, Form>>): Promise<void> {
  const cases: Record<string, PytorchCase> = {};
  for (const [key, { name, options = {}, inChannels = 3, size, train = false }] of Object.entries(forms)) {
    const model = withoutDropout(createModel(name, { classes: CLASSES, inChannels }, options));
    const images = await pictures(size, inChannels);
    randomise(model);
    calibrate(model, images);
    cases[key] = { model, images, train, pytorch: inPytorch(name, options, inChannels) };
  }
  const answer = askForward(cases);
  for (const [key, { model, images, train }] of Object.entries(cases)) {
    const logits = scope(() => noGradient(() => model.eval().forward(images).toArray()));
    assertNear(logits, answer(key, "eval"), `${key}: logits in evaluation mode`);
    const spread = logits.slice(0, CLASSES).map((logit, i) => logit - (logits[i + CLASSES] ?? 0));
    assert.ok(largest(spread) > 0.01 * largest(logits), `${key}: the logits hardly depend on the picture`);
    if (train) compareTraining(key, model, images, answer);
    model.dispose();
    images.dispose();
  }
}

function compareTraining(key: string, model: Module, images: Tensor, answer: ReturnType<typeof askForward>): void {
  model.train();
  scope(() =>
    noGradient(() => {
      const { logits, auxiliary = undefined } =
        model instanceof AuxiliaryNetwork ? model.forwardWithAuxiliary(images) : { logits: model.forward(images) };
      assertNear(logits.toArray(), answer(key, "train"), `${key}: logits in training mode`);
      if (auxiliary) assertNear(auxiliary.toArray(), answer(key, "auxiliary"), `${key}: auxiliary logits`);
    }),
  );
  for (const [name, tensor] of model.state()) {
    if (!(tensor instanceof StateBuffer)) continue;
    assertNear(tensor.toArray(), answer(key, `buffers/${name}`), `${key}: ${name} after a pass in training mode`);
  }
}

test("every registered model gives PyTorch's logits for the same weights and pictures", {
  timeout: 120_000,
}, async () => {
  const forms = Array.from(MODELS.values(), ({ name, inputSize }): [string, Form] => {
    // Narrow where the width is an option. An odd size for the small forms, so that their pooling has a rest.
    const options: ModelOptions = name.startsWith("resnet") ? { width: 8 } : {};
    return [name, { name, options, size: inputSize === 32 ? 29 : Math.max(64, smallestHere(name)) }];
  });
  await compare(Object.fromEntries(forms));
});

/** A little above the smallest size, so that the last layers still see more than one pixel. */
function smallestHere(name: string): number {
  return name === "inception_v3" ? 107 : 1;
}

test("at full width, also in training mode: torchvision's ResNet-18 and 50, MobileNet, ResNet-20", async () => {
  await compare({
    resnet18: { name: "resnet18", size: 64, train: true },
    resnet50: { name: "resnet50", size: 64, train: true },
    mobilenet: { name: "mobilenetv1_100", size: 64, train: true },
    resnet20: { name: "resnet20", size: 32, train: true },
  });
});

// One after another: together their weights would fill half a gigabyte, several times over.
for (const name of ["resnet34", "resnet101", "resnet152"]) {
  test(`${name} at full width gives torchvision's logits`, () => compare({ [name]: { name, size: 64 } }));
}

test("Inception-V3 with its auxiliary classifier, in training mode at its full size", async () => {
  await compare({ inception: { name: "inception_v3", options: { aux_logits: true }, size: 299, train: true } });
});

test("the forms with options and with one channel, also in training mode", async () => {
  const narrow = { width: 16 };
  const keras = { pad_type: "same", act_layer: "relu6", bn_eps: 1e-3 } as const;
  await compare({
    v1: { name: "resnet50_v1", options: narrow, size: 64, train: true },
    C: { name: "resnet50c", options: narrow, size: 64, train: true },
    "D, 1 channel": { name: "resnet18d", options: narrow, inChannels: 1, size: 64, train: true },
    D: { name: "resnet50d", options: narrow, size: 64, train: true },
    "small, 1 channel": { name: "resnet34_small", options: { width: 8 }, inChannels: 1, size: 29, train: true },
    "small D": { name: "resnet50d_small", options: { width: 8 }, size: 29, train: true },
    "CIFAR, 1 channel": { name: "resnet20", options: { width: 4 }, inChannels: 1, size: 28, train: true },
    "CIFAR, odd": { name: "resnet32", options: { width: 6 }, size: 33, train: true },
    "SAME, even": { name: "mobilenetv1_025", options: { pad_type: "same" }, size: 64, train: true },
    "SAME, odd, 1 channel": { name: "mobilenetv1_025", options: { pad_type: "same" }, inChannels: 1, size: 75 },
    ReLU: { name: "mobilenetv1_050", options: { act_layer: "relu" }, size: 65, train: true },
    "as Keras trains": { name: "mobilenetv1_075", options: keras, size: 96 },
  });
});

interface TorchvisionModel {
  readonly parameters: number;
  readonly state: readonly (readonly [string, readonly number[]])[];
}

test("Inception-V3's state dict has torchvision's names, order and shapes, with the auxiliary classifier and without", () => {
  const models = Object.fromEntries(
    [false, true].map((aux_logits) => [aux_logits, ["inception_v3", { aux_logits, init_weights: false }]]),
  );
  const expected = JSON.parse(runPython("torchvision_names.py", JSON.stringify(models))) as Record<
    string,
    TorchvisionModel
  >;
  for (const aux_logits of [false, true]) {
    using model = createModel("inception_v3", { classes: 1000, inChannels: 3 }, { aux_logits });
    assert.deepEqual(
      Array.from(model.state(), ([name, tensor]) => [name, tensor.shape]),
      expected[String(aux_logits)]?.state,
    );
  }
});

test("MobileNet's state dict has timm's names, order and shapes", () => {
  using model = createModel("mobilenetv1_050", { classes: 1000, inChannels: 3 });
  const norm = (name: string, channels: number): [string, number[]][] => [
    ...["weight", "bias", "running_mean", "running_var"].map((part): [string, number[]] => [
      `${name}.${part}`,
      [channels],
    ]),
    [`${name}.num_batches_tracked`, []],
  ];
  // Channels out of each block, by stage.
  const stages = [[32], [64, 64], [128, 128], [256, 256, 256, 256, 256, 256], [512, 512]];
  let channels = 16;
  const blocks = stages.flatMap((stage, s) =>
    stage.flatMap((out, b): [string, number[]][] => {
      const [from, block] = [channels, `blocks.${s}.${b}`];
      channels = out;
      return [
        [`${block}.conv_dw.weight`, [from, 1, 3, 3]],
        ...norm(`${block}.bn1`, from),
        [`${block}.conv_pw.weight`, [out, from, 1, 1]],
        ...norm(`${block}.bn2`, out),
      ];
    }),
  );
  assert.deepEqual(
    Array.from(model.state(), ([name, tensor]) => [name, tensor.shape]),
    [
      ["conv_stem.weight", [16, 3, 3, 3]],
      ...norm("bn1", 16),
      ...blocks,
      ["classifier.weight", [1000, 512]],
      ["classifier.bias", [1000]],
    ],
  );
});

test("the CIFAR form has akamaster's names, and no parameters in its shortcuts", () => {
  using model = createModel("resnet20", { classes: 10, inChannels: 3 });
  const block = (path: string) =>
    [1, 2].flatMap((i) => [`conv${i}.weight`, `bn${i}.weight`, `bn${i}.bias`].map((n) => `${path}.${n}`));
  const blocks = [1, 2, 3].flatMap((layer) => [0, 1, 2].flatMap((i) => block(`layer${layer}.${i}`)));
  assert.deepEqual(
    Array.from(model.parameters(), ([name]) => name),
    ["conv1.weight", "bn1.weight", "bn1.bias", ...blocks, "fc.weight", "fc.bias"],
  );
});

const seeded = (p: number, seed: number) => Object.assign(new Dropout(p), { seed });

test("dropout: the mask belongs to the seed, the mean is kept, the gradient is the mask; nothing happens in evaluation", () => {
  scope(() => {
    const ones = requireGradient(full([100, 1000], 1), true);
    const dropped = seeded(0.25, 5).forward(ones);
    const values = dropped.toArray();
    assert.deepEqual(new Set(values), new Set([0, Math.fround(1 / 0.75)]));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    assert.ok(Math.abs(mean - 1) < 0.01, `the mean is ${mean}`);
    assert.deepEqual(seeded(0.25, 5).forward(ones).toArray(), values);
    assert.notDeepEqual(seeded(0.25, 6).forward(ones).toArray(), values);
    backward(sumAll(dropped));
    assert.deepEqual(gradientOf(ones)?.toArray(), values);
    assert.equal(new Dropout(0.25).eval().forward(ones), ones);
    assert.throws(() => new Dropout(0.25).forward(ones), /set its seed/);
  });
});

test("Xavier initialisation takes a grouped convolution's fans from its weight, as torch.nn.init does", () => {
  using model = createModel("mobilenetv1_100", { classes: 10, inChannels: 3 });
  xavierUniform(model, 5);
  const [, depthwise] = [...model.modules()].find(([path]) => path === "blocks.4.1.conv_dw") ?? [];
  assert.ok(depthwise instanceof Conv2d);
  const bound = Math.sqrt(6 / (1 * 9 + 1024 * 9));
  const reach = largest(depthwise.weight.toArray());
  assert.ok(reach <= bound * (1 + 1e-6) && reach > bound * 0.99, `${reach} of ${bound}`);
});

test("a strided depthwise convolution has the right gradient in channels-last memory", () => {
  for (const [channels, padding] of [
    [4, 1],
    [24, 1],
    [24, "same"],
  ] as const) {
    scope(() => {
      using conv = new Conv2d(channels, channels, 3, { stride: 2, padding, groups: channels });
      xavierUniform(conv, 1);
      const images = randomImages(2, channels, 14, 14);
      const gradients = (["contiguous", "channels_last"] as const).map((format) => {
        const input = requireGradient(contiguous(clone(images), format), true);
        using weight = contiguous(toDType(conv.weight, "float32"), format);
        noGradient(() => setData(conv.weight, weight));
        const output = conv.forward(input);
        assert.deepEqual(output.shape, conv.outputShape(input.shape));
        backward(sumAll(mul(output, output)));
        return gradientOf(input)?.toArray() ?? [];
      });
      assertNear(gradients[1] ?? [], gradients[0] ?? [], `${channels} channels, padding ${padding}`);
    });
  }
});

test("what training would pass over or do twice is refused: layers in an array, a layer under two names", () => {
  class Hidden extends Module {
    readonly blocks = [new Conv2d(3, 3, 1)];
    readonly fc = new Linear(3, 2);
    override forward(input: Tensor): Tensor {
      return input;
    }
  }
  class Twice extends Hidden {
    override readonly blocks = [];
    readonly last = this.fc;
  }
  const building = (make: () => Module) => {
    const entry: ModelEntry = { ...modelEntry("resnet20"), name: "wrong", build: make };
    (MODELS as Map<string, ModelEntry>).set("wrong", entry);
    try {
      createModel("wrong", { classes: 2, inChannels: 3 }).dispose();
    } finally {
      (MODELS as Map<string, ModelEntry>).delete("wrong");
    }
  };
  assert.throws(() => building(() => new Hidden()), /^Error: blocks is a list of layers: make it a Sequential$/);
  assert.throws(
    () => building(() => new Twice()),
    /^Error: fc.weight and last.weight are one tensor: make one of the two/,
  );
});

test("no bias decay spares all but the weights of convolutions, depthwise ones included, and of the classifiers", () => {
  for (const [name, options, weights] of [
    ["mobilenetv1_025", {}, 1 + 13 * 2 + 1],
    ["inception_v3", { aux_logits: true }, 94 + 1 + 2 + 1],
    ["resnet20", {}, 19 + 1],
  ] as const) {
    using model = createModel(name, { classes: 10, inChannels: 3 }, options);
    const { decayed, undecayed } = decayGroups(model);
    assert.equal(decayed.size, weights, name);
    assert.ok([...undecayed.values()].every((parameter) => parameter.shape.length === 1));
  }
});

test("zero gamma finds the CIFAR form's blocks, and none in Inception and MobileNet", () => {
  using cifar = createModel("resnet32", { classes: 10, inChannels: 3 });
  assert.deepEqual(
    zeroGammas(cifar),
    [1, 2, 3].flatMap((layer) => [0, 1, 2, 3, 4].map((block) => `layer${layer}.${block}.bn2.weight`)),
  );
  for (const name of ["inception_v3", "mobilenetv1_025"]) {
    using model = createModel(name, { classes: 10, inChannels: 3 });
    assert.deepEqual(zeroGammas(model), []);
  }
});

test("the new families compute and learn in bfloat16", () => {
  for (const [name, size, options] of [
    ["mobilenetv1_025", 64, { pad_type: "same", act_layer: "relu6" }],
    ["inception_v3", 107, {}],
    ["resnet20", 32, {}],
  ] as const) {
    using model = createModel(name, { classes: 10, inChannels: 3 }, options);
    randomise(model);
    moveTo(model, "cpu");
    for (const [, module] of model.modules()) if (module instanceof Dropout) module.seed = 1;
    const masters = lowerPrecision(model, "bf16", "cpu");
    scope(() => {
      const images = contiguous(toDType(randomImages(2, 3, size, size), "bfloat16"), "channels_last");
      const logits = model.forward(images);
      assert.equal(logits.dtype, "bfloat16", name);
      backward(sumAll(toDType(logits, "float32")));
      for (const [, module] of model.modules()) {
        if (!(module instanceof Conv2d || module instanceof Linear)) continue;
        assert.ok(gradientOf(module.weight)?.toArray().every(Number.isFinite), name);
      }
    });
    for (const master of masters.values()) master.dispose();
  }
});

test("evaluation without a scope frees every intermediate of the new families", () => {
  for (const [name, size, options] of [
    ["mobilenetv1_025", 33, { pad_type: "same", act_layer: "relu6" }],
    ["inception_v3", 75, { aux_logits: true }],
    ["resnet20", 32, {}],
  ] as const) {
    using model = createModel(name, { classes: 10, inChannels: 3 }, options).eval();
    using images = randomImages(1, 3, size, size);
    const before = liveTensors();
    noGradient(() => model.forward(images)).dispose();
    assert.equal(liveTensors(), before, name);
  }
});

test("images too small for a model are an error that says what it needs", () => {
  assert.throws(
    () => checkTrainingSize("inception_v3", {}, 32, 32),
    inputError(/^model: inception_v3 needs images of at least 75 pixels to train; these are 32x32: take /),
  );
  assert.throws(
    () => checkTrainingSize("inception_v3", { aux_logits: true }, 128, 300),
    inputError(/inception_v3 \(aux_logits=true\) needs images of at least 299 pixels .* 128x300/),
  );
  checkTrainingSize("inception_v3", { aux_logits: false }, 75, 75);
  checkTrainingSize("mobilenetv1_025", {}, 28, 28);
});

test("options that a family does not have, or impossible values, are errors that name them", () => {
  const refuses = (name: string, options: ModelOptions, message: RegExp) =>
    assert.throws(() => createModel(name, { classes: 10, inChannels: 3 }, options), inputError(message));
  refuses("mobilenetv1_100", { width: 32 }, /^modelOptions\.width: mobilenetv1_100 has no such option.*pad_type/);
  refuses("mobilenetv1_100", { pad_type: "valid" }, /^modelOptions\.pad_type: must be "" or "same", got "valid"/);
  refuses("mobilenetv1_100", { act_layer: "swish" }, /^modelOptions\.act_layer: must be "relu" or "relu6"/);
  for (const bn_eps of [0, -1, Number.NaN]) refuses("mobilenetv1_100", { bn_eps }, /^modelOptions\.bn_eps: /);
  refuses("inception_v3", { aux_logits: 1 }, /^modelOptions\.aux_logits: must be true or false, got 1/);
  refuses("resnet20", { width: 3 }, /^modelOptions\.width: /);
});
