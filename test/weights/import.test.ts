import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { modelOption } from "../../src/cli/options/model-option.js";
import type { ModelOptions } from "../../src/models/entry.js";
import { createModel, modelEntry } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import type { Module } from "../../src/nn/module.js";
import { fromRawTensor, loadStateDict, stateDict } from "../../src/nn/state-dict.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { toDType } from "../../src/tensor/ops.js";
import { randomFor } from "../../src/tensor/random.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { createCheckpoint, loadCheckpoint, readConfig } from "../../src/weights/checkpoint.js";
import { readClassNames } from "../../src/weights/class-names.js";
import { type CheckpointConfig, configJson, parseConfig } from "../../src/weights/config.js";
import { fitWeights } from "../../src/weights/fit-weights.js";
import { importWeights } from "../../src/weights/import-weights.js";
import { loadModel } from "../../src/weights/load-model.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/weights/safetensors/safetensors.js";
import { inputError } from "../support/input-error.js";
import { runPython } from "../support/oracle.js";
import { four, left, session, tiny } from "../support/tiny-training.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const TINY = { width: 4 };

/** Runs `body` with a folder of its own. */
function inFolder(body: (folder: string) => void): () => void {
  return () => {
    const folder = fs.mkdtempSync(join(tmpdir(), "knack-import-"));
    try {
      body(folder);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  };
}

function configOf(architecture: string, classes: number, size: number, options: ModelOptions = {}): CheckpointConfig {
  const keys = { architecture, num_classes: classes, input_size: [3, size, size], mean: [0, 0, 0], std: [1, 1, 1] };
  return parseConfig({ ...keys, model_options: options }, "the test");
}

/** The weights of a new model. */
function weightsOf(name: string, classes: number, options: ModelOptions = {}, seed = 1): Map<string, RawTensor> {
  using model = createModel(name, { classes, inChannels: 3 }, options);
  xavierUniform(model, seed);
  return stateDict(model);
}

/** Weights as another program might call them. */
function renamed(weights: ReadonlyMap<string, RawTensor>, from: string, to: string): Map<string, RawTensor> {
  return new Map([...weights].map(([name, raw]) => [name.startsWith(from) ? to + name.slice(from.length) : name, raw]));
}

function writeWeights(folder: string, weights: ReadonlyMap<string, RawTensor>, metadata = {}): string {
  const file = join(folder, "foreign.safetensors");
  fs.writeFileSync(file, encodeSafetensors(weights, metadata));
  return file;
}

function readTensors(file: string): Map<string, RawTensor> {
  return decodeSafetensors(fs.readFileSync(file), file).tensors;
}

/** The largest difference of a model's logits from PyTorch's. */
function difference(model: Module, expected: ReadonlyMap<string, RawTensor>): number {
  const [images, logits] = [expected.get("images"), expected.get("logits")];
  assert.ok(images && logits);
  return noGradient(() =>
    scope(() => {
      const wanted = fromRawTensor(logits).toArray();
      const actual = model.forward(fromRawTensor(images)).toArray();
      assert.equal(actual.length, wanted.length);
      return Math.max(...actual.map((value, i) => Math.abs(value - (wanted[i] ?? Number.NaN))));
    }),
  );
}

for (const [name, classes, size, options] of [
  ["resnet18", 5, 64, {}],
  ["resnet50", 5, 64, {}],
  ["inception_v3", 5, 128, { aux_logits: false, init_weights: false, transform_input: false }],
] as const) {
  test(
    `a checkpoint of ${name} loads into torchvision strictly`,
    inFolder((folder) => {
      const checkpoint = join(folder, "checkpoint");
      createCheckpoint(checkpoint, { weights: weightsOf(name, classes), config: configOf(name, classes, size) });
      const output = join(folder, "output");
      const given = JSON.stringify({ num_classes: classes, size, ...options });
      runPython("torchvision_checkpoint.py", join(checkpoint, "model.safetensors"), output, name, given);
      using model = loadModel(checkpoint, "cpu").model;
      assert.ok(difference(model, readTensors(output)) < 1e-4);
    }),
  );
}

test(
  "a state dict that torch.save wrote becomes a checkpoint",
  inFolder((folder) => {
    const [file, output, out] = ["resnet18.pth", "output", "new/checkpoint"].map((name) => join(folder, name));
    assert.ok(file && output && out);
    runPython("torchvision_save.py", file, output);
    const { config, tensors } = importWeights(file, out, { model: "resnet18", license: "bsd-3-clause" });
    assert.equal(tensors, 122);
    assert.deepEqual(config.input_size, [3, 224, 224]);
    assert.deepEqual(config.label_names, ["0", "1", "2", "3", "4", "5", "6"]);
    assert.deepEqual([config.mean, config.interpolation, config.crop_pct], [[0.485, 0.456, 0.406], "bilinear", 0.875]);
    assert.deepEqual(fs.readdirSync(out).sort(), ["config.json", "manifest.json", "model.safetensors"]);
    using model = loadModel(out, "cpu").model;
    assert.ok(difference(model, readTensors(output)) < 1e-4);
  }),
);

test(
  "what the file and the options say of the model ends up in the checkpoint",
  inFolder((folder) => {
    const file = writeWeights(folder, weightsOf("mobilenetv1_025", 3), { padding: "TensorFlow SAME" });
    const out = join(folder, "out");
    const modelOptions = { pad_type: "same", act_layer: "relu6", bn_eps: 1e-3 };
    const { metadata } = importWeights(file, out, {
      model: "mobilenetv1_025",
      modelOptions,
      classNames: ["ant", "bee", "wasp"],
      inputSize: 160,
      cropPct: 1,
      interpolation: "bicubic",
      std: [1, 1, 1],
    });
    assert.deepEqual(metadata, { padding: "TensorFlow SAME" });
    const { config } = loadCheckpoint(out);
    assert.deepEqual(config, {
      ...{ architecture: "mobilenetv1_025", num_classes: 3, in_chans: 3, input_size: [3, 160, 160] },
      ...{ mean: [0.5, 0.5, 0.5], std: [1, 1, 1], interpolation: "bicubic", crop_pct: 1 },
      ...{ label_names: ["ant", "bee", "wasp"], model_options: modelOptions },
    });
    assert.equal(loadModel(out, "cpu").model.dispose(), undefined);
  }),
);

test(
  "gray weights, other dtypes and missing counters are taken",
  inFolder((folder) => {
    using model = createModel("resnet20", { classes: 4, inChannels: 1 });
    xavierUniform(model, 1);
    const halved = new Map<string, RawTensor>();
    for (const [name, raw] of stateDict(model)) {
      if (name.endsWith("num_batches_tracked")) continue;
      scope(() => {
        const half = toDType(fromRawTensor(raw), "float16");
        halved.set(name, { dtype: "float16", shape: raw.shape, data: half.bytes() });
      });
    }
    const out = join(folder, "out");
    const { config } = importWeights(writeWeights(folder, halved), out, { model: "resnet20" });
    assert.deepEqual([config.input_size, config.mean.length, config.crop_pct], [[1, 32, 32], 1, 1]);
    const { weights } = loadCheckpoint(out);
    assert.equal(weights.get("conv1.weight")?.dtype, "float32");
    assert.equal(weights.get("bn1.num_batches_tracked")?.dtype, "int64");
  }),
);

test("a classifier of another name is found, and only where it is the only one", () => {
  const own = weightsOf("resnet18_small", 5, TINY);
  using model = createModel("resnet18_small", { classes: 5, inChannels: 3 }, TINY);
  const fit = (raw: Map<string, RawTensor>) =>
    fitWeights(model, modelEntry("resnet18_small"), raw, { replaceHead: false });
  for (const name of ["linear", "classifier", "head", "head.fc", "last_linear"]) {
    const { weights, notes } = fit(renamed(own, "fc.", `${name}.`));
    assert.deepEqual(notes, [`${name} is called fc here`]);
    loadStateDict(model, weights, "the test");
  }
  assert.deepEqual(fit(own).notes, []);
  const two = new Map([...renamed(own, "fc.", "head."), ...renamed(own, "fc.", "linear.")]);
  two.delete("fc.weight");
  two.delete("fc.bias");
  assert.deepEqual(fit(two).notes, []);
  assert.throws(() => loadStateDict(model, fit(two).weights, "a file"), inputError(/2 missing .* 4 unexpected/));
});

test("a classifier for other classes gives way only where that is allowed", () => {
  const raw = weightsOf("resnet18_small", 9, TINY, 2);
  using model = createModel("resnet18_small", { classes: 5, inChannels: 3 }, TINY);
  xavierUniform(model, 1);
  const before = stateDict(model).get("fc.weight");
  const strict = fitWeights(model, modelEntry("resnet18_small"), raw, { replaceHead: false });
  assert.throws(
    () => loadStateDict(model, strict.weights, "a file"),
    inputError(
      /a file: .* 2 of another shape \(fc\.weight is \[9, 32\], the model's is \[5, 32\], fc\.bias is \[9\], .*\[5\]\)/,
    ),
  );
  const { weights, notes } = fitWeights(model, modelEntry("resnet18_small"), raw, { replaceHead: true });
  assert.deepEqual(notes, ["fc re-initialised: the file has 9 classes, the model 5"]);
  loadStateDict(model, weights, "a file");
  assert.deepEqual(stateDict(model).get("fc.weight"), before);
  assert.deepEqual(stateDict(model).get("conv1.weight"), raw.get("conv1.weight"));
});

test(
  "Inception's auxiliary head is left out of a model without one, and re-initialised with the other",
  inFolder((folder) => {
    const raw = weightsOf("inception_v3", 6, { aux_logits: true });
    const file = writeWeights(folder, raw);
    const { notes, config } = importWeights(file, join(folder, "without"), { model: "inception_v3" });
    assert.match(notes.join(), /AuxLogits\) is left out/);
    assert.deepEqual(config.mean, [0.5, 0.5, 0.5]);
    const modelOptions = { aux_logits: true };
    const other = importWeights(file, join(folder, "with"), { model: "inception_v3", modelOptions, numClasses: 2 });
    assert.deepEqual(
      [...other.notes].sort(),
      ["AuxLogits.fc", "fc"].map((head) => `${head} re-initialised: the file has 6 classes, the model 2`),
    );
    // As the hub's folders have it: the weights with the head, the model without.
    fs.writeFileSync(join(folder, "without", "model.safetensors"), encodeSafetensors(raw));
    fs.rmSync(join(folder, "without", "manifest.json"));
    loadModel(join(folder, "without"), "cpu").model.dispose();
  }),
);

test(
  "what does not fit is said all at once, and nothing is written or left",
  inFolder((folder) => {
    const raw = weightsOf("resnet18_small", 5, TINY);
    const bad = new Map(raw);
    bad.delete("conv1.weight");
    bad.delete("layer1.0.bn1.bias");
    bad.set("extra", { dtype: "uint8", shape: [1], data: Uint8Array.of(0) });
    bad.set("bn1.weight", { dtype: "float32", shape: [1], data: new Uint8Array(4) });
    const file = writeWeights(folder, bad);
    const out = join(folder, "out");
    const before = liveTensors();
    assert.throws(
      () => importWeights(file, out, { model: "resnet18_small", modelOptions: TINY }),
      inputError(
        /foreign\.safetensors: .*2 missing \(conv1\.weight, layer1\.0\.bn1\.bias\); 1 unexpected \(extra\); 1 of another shape \(bn1\.weight is \[1\], the model's is \[4\]\)/,
      ),
    );
    fs.writeFileSync(file, encodeSafetensors(raw));
    const refused: [object, RegExp][] = [
      [{ model: "resnet51" }, /there is no model "resnet51"; did you mean/],
      [{ model: "vit_base_patch16_224" }, /no model "vit_base_patch16_224"; `knack models` lists them/],
      [
        { model: "resnet50d" },
        /188 missing \(conv1\.0\.weight, .*, and 178 more\); 16 unexpected .* 88 of another shape/,
      ],
      [{ model: "mobilenetv1_025" }, /holds no classifier that fits mobilenetv1_025: check --model/],
      [{ modelOptions: { width: 4, depth: 3 } }, /modelOptions\.depth: .* no such option/],
      [{ modelOptions: { width: 60_000 } }, /do not fit the model: none of them is for width 60000/],
      [{ classNames: ["a"] }, /--classes: 1 names for 5 classes/],
      [{ mean: [1] }, /the checkpoint to write: mean: expected 3 numbers/],
      [{ std: [1, 1, 0] }, /std\.2: /],
      [{ cropPct: 2 }, /crop_pct: /],
      [{ interpolation: "lanczos" }, /interpolation: knack has bilinear and bicubic/],
      [{ inputSize: 1e6 }, /input_size\.1: /],
      [{ numClasses: 1e9 }, /num_classes: /],
    ];
    for (const [options, message] of refused) {
      const given = { model: "resnet18_small", modelOptions: TINY, ...options };
      if ("model" in options) Object.assign(given, { modelOptions: {} });
      assert.throws(() => importWeights(file, out, given), inputError(message));
    }
    fs.writeFileSync(join(folder, "file"), "");
    for (const [taken, message] of [
      [folder, /is not empty: choose another --out/],
      [join(folder, "file"), /is there and no folder/],
    ] as const) {
      assert.throws(() => importWeights(file, taken, { model: "resnet20" }), inputError(message));
    }
    assert.throws(
      () => importWeights(file, join(folder, "file", "out"), { model: "resnet18_small", modelOptions: TINY }),
      /cannot write .*out: not a directory/,
    );
    assert.deepEqual(fs.readdirSync(folder).sort(), ["file", "foreign.safetensors"]);
    assert.equal(liveTensors(), before);
  }),
);

test(
  "weights that are not numbers are pointed out",
  inFolder((folder) => {
    const raw = weightsOf("resnet18_small", 5, TINY);
    const data = new Uint8Array(Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, 1).buffer);
    raw.set("bn1.bias", { dtype: "float32", shape: [4], data });
    const options = { model: "resnet18_small", modelOptions: TINY };
    const { notes } = importWeights(writeWeights(folder, raw), join(folder, "out"), options);
    assert.match(notes.join(), /bn1\.bias: 2 of 4 numbers are not finite/);
  }),
);

test(
  "class names are read from lines, tables and JSON",
  inFolder((folder) => {
    const file = join(folder, "classes");
    const read = (text: string) => {
      fs.writeFileSync(file, text);
      return readClassNames(file);
    };
    const names = ["tench, Tinca tinca", "goldfish", "white shark"];
    assert.deepEqual(read(JSON.stringify(names)), names);
    assert.deepEqual(read(`${names.join("\n")}\n\n`), names);
    assert.deepEqual(read(`\uFEFF${names.join("\r\n")}`), names);
    assert.deepEqual(read('0,"tench, Tinca tinca"\n1,goldfish\n2,white shark'), names);
    assert.deepEqual(read("2\twhite shark\n0\ttench, Tinca tinca\n1\tgoldfish\n"), names);
    assert.deepEqual(
      read("index\tsynset\tname\n0\tn1\ttench, Tinca tinca\n1\tn2\tgoldfish\n2\tn3\twhite shark"),
      names,
    );
    assert.deepEqual(read("n1\ttench, Tinca tinca\nn2\tgoldfish\nn3\twhite shark"), names);
    assert.throws(() => read("0\ta\n0\tb"), inputError(/classes: class 0 is named twice/));
    assert.throws(() => read("0\ta\n2\tb"), inputError(/class 2 is beyond the 2 named/));
    assert.throws(() => read("\n"), inputError(/holds no class names/));
    assert.throws(() => read("[1]"), inputError(/expected a JSON array of names/));
    assert.throws(() => read('["a"\n,'), inputError(/is not JSON/));
    assert.throws(() => readClassNames(join(folder, "none")), inputError(/cannot read .*none: no such file/));
    assert.throws(() => readClassNames(folder), inputError(/cannot read .*: illegal operation on a directory/));
  }),
);

test(
  "a checkpoint's config.json comes back, in the form timm reads",
  inFolder((folder) => {
    const mobile = { ...configOf("mobilenetv1_025", 2, 96), in_chans: 1, input_size: [1, 96, 96], mean: [0], std: [1] };
    const model_options = { act_layer: "relu", bn_eps: 0.001 };
    const config = parseConfig({ ...mobile, license: "mit", model_options }, "the test");
    createCheckpoint(join(folder, "out"), { weights: new Map(), config });
    const file = join(folder, "out", "config.json");
    assert.deepEqual(readConfig(file), config);
    assert.deepEqual(JSON.parse(fs.readFileSync(file, "utf8")), {
      ...{ architecture: "mobilenetv1_025", num_classes: 2, global_pool: "avg", label_names: ["0", "1"] },
      model_args: { act_layer: "relu", bn_eps: 0.001, in_chans: 1 },
      pretrained_cfg: {
        ...{ input_size: [1, 96, 96], mean: [0], std: [1], interpolation: "bicubic", crop_pct: 0.875, license: "mit" },
      },
    });
  }),
);

test("--option KEY=VALUE keeps numbers, booleans and texts apart", () => {
  const all = ["width=32", "aux_logits=true", "pad_type=same", "bn_eps=1e-3", "a=false", "pad_type="];
  const read = all.reduce((earlier, text) => modelOption(text, earlier), {});
  assert.deepEqual(read, { width: 32, aux_logits: true, pad_type: "", bn_eps: 0.001, a: false });
  assert.throws(() => modelOption("width"), inputError(/--option: must be KEY=VALUE/));
});

/** As timm 1.0 writes it. */
const TIMM = {
  architecture: "resnet50d",
  num_classes: 3,
  num_features: 2048,
  global_pool: "avg",
  pretrained_cfg: {
    ...{ tag: "gluon_in1k", custom_load: false, input_size: [3, 224, 224], fixed_input_size: false },
    ...{ interpolation: "bicubic", crop_pct: 0.95, crop_mode: "center", num_classes: 1000, pool_size: [7, 7] },
    ...{ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], first_conv: "conv1.0", classifier: "fc" },
    license: "apache-2.0",
  },
};

test("timm's config.json is read, in its form on the hub", () => {
  const { interpolation, crop_pct, ...config } = parseConfig(TIMM, "it");
  assert.deepEqual([config.architecture, config.num_classes, config.in_chans], ["resnet50d", 3, 3]);
  assert.deepEqual([interpolation, crop_pct, config.license], ["bicubic", 0.95, "apache-2.0"]);
  assert.deepEqual(
    [config.input_size, config.label_names],
    [
      [3, 224, 224],
      ["0", "1", "2"],
    ],
  );
  assert.deepEqual(config.model_options, {});

  const named = { ...TIMM, label_names: ["n1", "n2", "n3"], label_descriptions: { n1: "tench", n3: "shark" } };
  assert.deepEqual(parseConfig(named, "it").label_names, ["tench", "n2", "shark"]);
  const mobile = {
    ...TIMM,
    architecture: "mobilenetv1_100",
    model_args: { in_chans: 3, num_classes: 3, global_pool: "avg", bn_eps: 0.001 },
  };
  assert.deepEqual(parseConfig(mobile, "it").model_options, { bn_eps: 0.001 });
  const early = { ...mobile, model_options: {} };
  assert.deepEqual(parseConfig(early, "it").model_options, { act_layer: "relu" }, "its first checkpoints had ReLU");
  const said = { ...mobile, model_options: { act_layer: "relu6" } };
  assert.deepEqual(parseConfig(said, "it").model_options, { act_layer: "relu6" });

  const pretrained = (changes: object) => ({ ...TIMM, pretrained_cfg: { ...TIMM.pretrained_cfg, ...changes } });
  const refused: [unknown, RegExp][] = [
    [pretrained({ interpolation: "lanczos" }), /it: pretrained_cfg\.interpolation: knack has bilinear and bicubic/],
    [pretrained({ crop_mode: "border" }), /it: pretrained_cfg\.crop_mode: knack has center, pad and squash/],
    [pretrained({ mean: [0.5] }), /it: pretrained_cfg\.mean: expected 3 numbers/],
    [pretrained({ input_size: [6, 224, 224] }), /it: in_chans: /],
    [{ ...TIMM, global_pool: "catavgmax" }, /it: global_pool: /],
    [{ ...TIMM, model_args: { act_layer: ["x"] } }, /it: model_options\.act_layer: /],
    [{ ...TIMM, num_classes: 1e9 }, /it: num_classes: /],
    [{ ...TIMM, architecture: "a\nb" }, /it: architecture: /],
    [{ ...TIMM, pretrained_cfg: 3 }, /it: /],
    [[], /it is not a JSON object/],
  ];
  for (const [json, message] of refused) assert.throws(() => parseConfig(json, "it"), inputError(message));
});

test(
  "a damaged config.json is an error of one line, or reads",
  inFolder((folder) => {
    const file = join(folder, "config.json");
    const texts = [TIMM, configJson(configOf("resnet50", 3, 32)), configOf("resnet50", 3, 32)].map((config) =>
      JSON.stringify(config, null, 1),
    );
    const pieces = [
      '"',
      "{",
      "}",
      "[",
      ",",
      "null",
      "1e999",
      "-1",
      "\n",
      "\u0000",
      "ÿ",
      "__proto__",
      "true",
      "99999999999",
    ];
    let faults = 0;
    for (let i = 0; i < 1000; i++) {
      const random = randomFor(7, "augment", 0, i);
      const below = (count: number) => random.integer(count);
      let text = texts[i % 3] ?? "";
      for (let edits = 1 + below(3); edits > 0; edits--) {
        const at = below(text.length);
        text = text.slice(0, at) + (below(2) ? pieces[below(pieces.length)] : "") + text.slice(at + below(8));
      }
      fs.writeFileSync(file, text);
      try {
        readConfig(file);
      } catch (error) {
        inputError(/config\.json/)(error);
        faults++;
      }
    }
    assert.ok(faults > 500, `${faults}`);
  }),
);

test("a run of before MobileNet's ReLU6 goes on with ReLU: its last checkpoint says so, its recipe nothing", async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "knack-earlier-"));
  try {
    const changes = { model: "mobilenetv1_025", modelOptions: { act_layer: "relu" }, epochs: 2 };
    const [whole, stopped, now] = ["whole", "stopped", "now"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await session({ data: four, recipe: tiny(changes), out: whole });
    await session({ data: four, recipe: tiny(changes), out: stopped }, 4);
    const file = join(stopped, "recipe.json");
    fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file, "utf8")), modelOptions: {} }));
    await session({ data: four, resume: stopped });
    assert.deepEqual(left(stopped), left(whole));
    await session({ data: four, recipe: tiny({ ...changes, modelOptions: {} }), out: now });
    assert.notDeepEqual(left(now).weights, left(whole).weights);
    const relu6 = join(folder, "relu6");
    await session({ data: four, recipe: tiny({ ...changes, modelOptions: { act_layer: "relu6" } }), out: relu6 });
    assert.deepEqual(left(now).weights, left(relu6).weights, "the default is ReLU6, as timm's");
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
