/** Weights of other programs as people have them: what they say of themselves, what they are called, what they are for. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import { withModelOfInit } from "../../src/cli/options/model-of-init.js";
import type { ModelOptions } from "../../src/models/entry.js";
import { createModel, MODELS } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { presets } from "../../src/recipe/presets.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { liveTensors } from "../../src/tensor/scope.js";
import { loadCheckpoint } from "../../src/weights/checkpoint.js";
import { declaredIn } from "../../src/weights/declared.js";
import { contradictions } from "../../src/weights/declared-in-words.js";
import { fittingModels } from "../../src/weights/identify-model.js";
import { importWeights } from "../../src/weights/import-weights.js";
import { modelFor, readInitialWeights } from "../../src/weights/initial-weights.js";
import { encodeSafetensors } from "../../src/weights/safetensors/safetensors.js";
import { inputError } from "../support/input-error.js";
import { four, scratchFolder, session, tiny } from "../support/tiny-training.js";

addon.setThreads(1);
const inFolder = scratchFolder("foreign");

let count = 0;
const fresh = () => inFolder(`out-${count++}`);

function weightsOf(name: string, classes = 3, options: ModelOptions = {}): Map<string, RawTensor> {
  using model = createModel(name, { classes, inChannels: 3 }, options);
  xavierUniform(model, 1);
  return stateDict(model);
}

type Weights = ReadonlyMap<string, RawTensor>;
const prefixed = (weights: Weights, prefix: string) =>
  new Map(Array.from(weights, ([name, tensor]) => [prefix + name, tensor]));

function write(weights: Weights, metadata: Record<string, string> = {}): string {
  const folder = fresh();
  fs.mkdirSync(folder);
  fs.writeFileSync(`${folder}/model.safetensors`, encodeSafetensors(weights, metadata));
  return `${folder}/model.safetensors`;
}

const narrow = weightsOf("resnet20", 3, { width: 4 });
const mobile = weightsOf("mobilenetv1_025");

test("prefixes of any name, one or several nested, are taken off; what else lies in the file is left", () => {
  const wanted = new Map(narrow);
  for (const [prefix, notes] of [
    ["model.", ['took "model." off every name']],
    ["module._orig_mod.", ['took "module." off every name', 'took "_orig_mod." off every name']],
    ["a.b.c.d.", ["a", "b", "c", "d"].map((each) => `took "${each}." off every name`)],
  ] as const) {
    const imported = importWeights(write(prefixed(narrow, prefix)), fresh(), {});
    assert.deepEqual(imported.notes, ["it is for resnet20 (width=4)", ...notes]);
  }
  const extra: [string, RawTensor] = ["criterion.weight", { dtype: "float32", shape: [3], data: new Uint8Array(12) }];
  const out = fresh();
  const beside = importWeights(write(new Map([...prefixed(narrow, "model."), extra])), out, {});
  assert.ok(beside.notes.includes('took the weights under "model.", not criterion.weight'), beside.notes.join());
  const { weights } = loadCheckpoint(out);
  for (const [name, { data }] of wanted)
    assert.ok(Buffer.from(data).equals(weights.get(name)?.data ?? Buffer.of(1)), name);

  const twice = new Map([...prefixed(narrow, "ema_model.net."), ...prefixed(narrow, "model.")]);
  const both = importWeights(write(twice), fresh(), {});
  assert.ok(
    both.notes.includes('took the weights under "model.", not those under "ema_model.net."'),
    both.notes.join(),
  );
  const ema = importWeights(write(twice), fresh(), { key: "ema_model" });
  assert.ok(ema.notes.includes('took "net." off every name'), ema.notes.join());
  assert.throws(
    () => importWeights(write(twice), fresh(), { key: "net" }),
    inputError(/--key: no name .* begins with "net\."/),
  );

  // A backbone, and a head that was put beside it.
  const head = Array.from(
    narrow,
    ([name, tensor]) => [name.startsWith("fc.") ? name.replace("fc", "head") : `backbone.${name}`, tensor] as const,
  );
  const put = importWeights(write(new Map(head)), fresh(), {});
  assert.equal(put.config.num_classes, 3);
  assert.ok(put.notes.includes("head is called fc here"), put.notes.join());
});

test("every model is known by its names and shapes alone, or shares them with v1 of the same depth", () => {
  const before = liveTensors();
  for (const name of [
    "resnet18",
    "resnet18_small",
    "resnet34d",
    "resnet34_small",
    "resnet44",
    "mobilenetv1_050",
    "inception_v3",
  ]) {
    assert.deepEqual(fittingModels(weightsOf(name)), [{ model: name, modelOptions: {} }]);
  }
  assert.deepEqual(fittingModels(weightsOf("resnet18d", 9, { width: 8 })), [
    { model: "resnet18d", modelOptions: { width: 8 } },
  ]);
  const fifty = weightsOf("resnet50", 4, { width: 8 });
  assert.deepEqual(
    fittingModels(fifty).map(({ model }) => model),
    ["resnet50_v1", "resnet50"],
  );
  assert.throws(
    () => importWeights(write(fifty), fresh()),
    inputError(/fit resnet50_v1 and resnet50 alike: give --model/),
  );
  assert.equal(importWeights(write(fifty, { arch: "resnet50" }), fresh()).config.architecture, "resnet50");
  const other = new Map([...narrow].slice(3));
  assert.throws(
    () => importWeights(write(other), fresh()),
    inputError(/those of no model that knack knows: give --model/),
  );
  assert.equal(liveTensors(), before);
});

test("keys of the model's options and of config.json are applied; options given win", () => {
  const said = {
    bn_eps: "0.001",
    pad_type: "same",
    mean: "[0.1, 0.2, 0.3]",
    crop_pct: "0.9",
    license: "mit",
    width: "7",
  };
  const file = write(mobile, said);
  const { config, warnings } = importWeights(file, fresh());
  assert.deepEqual(config.model_options, { bn_eps: 0.001, pad_type: "same" });
  assert.deepEqual([config.mean, config.crop_pct, config.license], [[0.1, 0.2, 0.3], 0.9, "mit"]);
  assert.deepEqual(warnings, []);
  const given = importWeights(file, fresh(), { modelOptions: { bn_eps: 1e-5 }, mean: [0, 0, 0] });
  assert.deepEqual(given.config.model_options, { bn_eps: 1e-5, pad_type: "same" });
  assert.deepEqual(given.config.mean, [0, 0, 0]);
});

test("what is said in other words and built otherwise is a warning that names the option", () => {
  const keras = {
    input: "RGB x/127.5-1, 224, shorter side 256, centre crop",
    padding: "TensorFlow SAME",
    activation: "ReLU6",
    bn_eps: "0.001",
  };
  const asSaid = importWeights(write(mobile, keras), fresh(), { modelOptions: { pad_type: "same" } });
  assert.deepEqual(asSaid.warnings, []);
  const { warnings, config } = importWeights(write(mobile, keras), fresh());
  assert.deepEqual(config.model_options, { bn_eps: 0.001 });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /"padding: TensorFlow SAME".*--option pad_type=same/);

  using resnet = createModel("resnet20", { classes: 2, inChannels: 3 });
  using mobilenet = createModel("mobilenetv1_025", { classes: 2, inChannels: 3 });
  const photos = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const built = (architecture: string, model_options = {}) => ({
    ...{ architecture, model_options, ...photos, input_size: [3, 224, 224], interpolation: "bilinear" },
  });
  const warned = (said: Record<string, string>, name = "mobilenetv1_025", options = {}) => {
    const model = name === "resnet20" ? resnet : mobilenet;
    const { keys } = declaredIn(said, MODELS.get(name) as NonNullable<ReturnType<typeof MODELS.get>>);
    return contradictions(said, keys, built(name, options), model).join("; ");
  };
  const cases: [Record<string, string>, RegExp][] = [
    [{ note: "trained with tf SAME padding" }, /--option pad_type=same/],
    [{ act: "plain ReLU" }, /--option act_layer=relu/],
    [{ activation: "swish" }, /has relu6, and no silu/],
    [{ batch_norm_epsilon: "1e-3" }, /--option bn_eps=1e-3/],
    [{ preprocessing: "x / 127.5 - 1" }, /--mean 0\.5,0\.5,0\.5 --std 0\.5,0\.5,0\.5/],
    [{ preprocessing: "pixels scaled to [-1, 1]" }, /--mean 0\.5,0\.5,0\.5/],
    [{ preprocessing: "x/255" }, /--mean 0,0,0 --std 1,1,1/],
    [{ pixel_mean: "123.675, 116.28, 103.53", pixel_std: "1 1 1" }, /--std 1,1,1/],
    [{ image_size: "160" }, /--input-size 160/],
    [{ resolution: "192x192" }, /--input-size 192/],
    [{ resize: "bicubic" }, /--interpolation/],
    [{ channels: "BGR" }, /knack gives the model RGB/],
  ];
  for (const [said, message] of cases) assert.match(warned(said), message);
  const fitting: Record<string, string>[] = [
    { activation: "ReLU6" },
    { eps: "1e-5" },
    { optimizer: "Adam, eps 1e-8" },
    { pixel_mean: "123.675, 116.28, 103.53" },
    { normalization: "ImageNet mean and std" },
    { input_size: "224" },
    { interpolation: "bilinear" },
    { source: "the same network as in the paper" },
  ];
  for (const said of fitting) assert.equal(warned(said), "", JSON.stringify(said));
  assert.match(warned({ padding: "SAME" }, "resnet20"), /resnet20 pads both sides alike, and has no option for it/);
  assert.match(
    warned({ bn_eps: "0.001" }, "resnet20"),
    /resnet20 has 0\.00001, and has no option|resnet20 has 1e-5, and has no/,
  );
  assert.equal(warned({ padding: "SAME" }, "mobilenetv1_025", { pad_type: "same" }), "");
});

test("config.json beside a file is applied, by import and by --init", () => {
  const file = write(mobile);
  const config = {
    ...{ architecture: "mobilenetv1_025", num_classes: 3, label_names: ["ant", "bee", "cat"] },
    model_args: { bn_eps: 0.001 },
    pretrained_cfg: {
      input_size: [3, 96, 96],
      mean: [0.1, 0.1, 0.1],
      std: [0.2, 0.2, 0.2],
      interpolation: "bicubic",
      crop_pct: 0.8,
    },
  };
  fs.writeFileSync(file.replace("model.safetensors", "config.json"), JSON.stringify(config));
  const imported = importWeights(file, fresh()).config;
  assert.deepEqual(
    [imported.input_size, imported.label_names],
    [
      [3, 96, 96],
      ["ant", "bee", "cat"],
    ],
  );
  assert.deepEqual(
    [imported.model_options, imported.crop_pct, imported.interpolation],
    [{ bn_eps: 0.001 }, 0.8, "bicubic"],
  );
  const initial = readInitialWeights(file);
  assert.deepEqual(initial.config?.mean, [0.1, 0.1, 0.1]);
  const recipe = { model: "resnet50", modelOptions: {} };
  const own = { model: "mobilenetv1_025", modelOptions: { bn_eps: 0.001 } };
  assert.deepEqual(modelFor(initial, undefined, recipe), own);
  assert.deepEqual(modelFor(initial, "mobilenetv1_025", { model: "mobilenetv1_025", modelOptions: {} }), own);
  assert.deepEqual(modelFor(initial, "resnet18", { model: "resnet18", modelOptions: {} }), {
    model: "resnet18",
    modelOptions: {},
  });
  // Another program's is passed over.
  fs.writeFileSync(file.replace("model.safetensors", "config.json"), JSON.stringify({ architectures: ["ResNet"] }));
  assert.equal(readInitialWeights(file).config, undefined);
});

test("--init of a plain file brings its model and its options; a wrong model is answered with the right one", async () => {
  const recipe = { model: "resnet50d", modelOptions: {} };
  const initial = readInitialWeights(write(mobile, { bn_eps: "0.001", padding: "SAME" }));
  assert.deepEqual(modelFor(initial, undefined, recipe), { model: "mobilenetv1_025", modelOptions: { bn_eps: 0.001 } });
  const fifty = readInitialWeights(write(weightsOf("resnet50", 4, { width: 8 })));
  const v1 = { model: "resnet50_v1", modelOptions: {} };
  assert.deepEqual(modelFor(fifty, undefined, v1), { model: "resnet50_v1", modelOptions: { width: 8 } });
  assert.throws(() => modelFor(fifty, undefined, recipe), inputError(/fit resnet50_v1 and resnet50 alike/));

  const wrong = tiny({ init: { weights: write(narrow) } });
  await assert.rejects(
    session({ data: four, recipe: wrong, out: fresh() }),
    inputError(/are not for resnet18_small: give --model resnet20 --option width=4/),
  );
});

test("--init completes weights without classifier and statistics, and says so", async () => {
  const bare = new Map(
    [...weightsOf("resnet18_small", 4, { width: 4 })].filter(([name]) => !/^fc|running_/.test(name)),
  );
  const file = write(prefixed(bare, "encoder."), { padding: "SAME" });
  const [audit] = await session({ data: four, recipe: tiny({ epochs: 1, init: { weights: file } }), out: fresh() });
  assert.ok(audit?.type === "audit");
  const detail = audit.tricks.find(({ trick }) => trick === "init")?.detail ?? "";
  for (const said of [
    'took "encoder." off every name',
    "fc is new: the file has no classifier",
    /\d+ running statistics are new/,
    /warning: the file says "padding: SAME"/,
  ]) {
    assert.match(detail, typeof said === "string" ? new RegExp(said) : said);
  }
  assert.throws(() => importWeights(file, fresh(), { model: "resnet18_small" }), inputError(/no classifier that fits/));
});

test("--init brings the model of its weights, for knack train and knack ablate alike", async () => {
  const checkpoint = fresh();
  importWeights(write(narrow), checkpoint, {});
  const asked = (options: { init: string; model?: string }) => withModelOfInit(presets["fine-tune"], options);
  const of = async (options: { init: string; model?: string }) => {
    const { model, modelOptions } = await asked(options);
    return { model, modelOptions };
  };
  assert.deepEqual(await of({ init: checkpoint }), { model: "resnet20", modelOptions: { width: 4 } });
  // Names and shapes of one model only.
  assert.deepEqual(await of({ init: write(mobile) }), { model: "mobilenetv1_025", modelOptions: {} });
  assert.deepEqual((await of({ init: checkpoint, model: "resnet18" })).model, "resnet18");
  await assert.rejects(asked({ init: write(weightsOf("resnet50", 4, { width: 8 })) }), inputError(/--model/));
});
