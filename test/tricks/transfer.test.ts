/** Training that starts from trained weights, and what goes with it: frozen epochs, the backbone's learning rate. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { recipeFromOptions } from "../../src/cli/options/recipe-options.js";
import type { DataSource } from "../../src/data/image-set.js";
import type { PhotoSet, PhotoSource } from "../../src/data/photos/photo-set.js";
import { kindOf } from "../../src/data/kinds/kinds.js";
import { openData, type TrainEvent, train } from "../../src/index.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { Module } from "../../src/nn/module.js";
import { rawTensor } from "../../src/nn/state-dict.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { partsOf } from "../../src/models/parts.js";
import { evaluationLoader } from "../../src/training/evaluate.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { startingWeights } from "../../src/tricks/starting-weights.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { runSession } from "../../src/run/session.js";
import { Trainer } from "../../src/training/trainer.js";
import { trainingData } from "../../src/run/training-data.js";
import { loadCheckpoint, saveCheckpoint } from "../../src/weights/checkpoint.js";
import type { CheckpointConfig } from "../../src/weights/config.js";
import { encodeSafetensors } from "../../src/weights/safetensors/safetensors.js";
import { inputError } from "../support/input-error.js";
import { runPython } from "../support/oracle.js";
import { CLASSES } from "../support/random-data.js";
import { writeTinyData } from "../support/tiny-data.js";
import { near } from "../support/near.js";
import {
  detailOf,
  disposing,
  floats,
  four,
  left,
  noise,
  ofType,
  STEPS_PER_EPOCH,
  scratchFolder,
  session,
  TINY,
  take,
  tiny,
  trainerOf,
  unequal,
} from "../support/tiny-training.js";

type Weights = ReadonlyMap<string, RawTensor>;

const HEAD = /^(weights\.|momentum\.)?fc\./;

const at = scratchFolder("transfer");
const trained = {
  checkpoint: at("checkpoint"),
  run: at("run"),
  safetensors: at("plain.safetensors"),
  pth: at("w.pth"),
};
/** What the files hold. */
let weights: Weights;

before(() => {
  using others = disposing(new Trainer(tiny({ seed: 5 }), noise, { device: "cpu" }));
  take(others, 0, 1);
  const earlier = others.weights();
  take(others, 1, 4);
  weights = others.weights();
  saveCheckpoint(trained.checkpoint, { weights, config: configOf() });
  mkdirSync(at("run/checkpoints"), { recursive: true });
  cpSync(trained.checkpoint, at("run/checkpoints/best"), { recursive: true, dereference: true });
  saveCheckpoint(at("run/checkpoints/last"), { weights: earlier, config: configOf() });
  writeFileSync(trained.safetensors, encodeSafetensors(weights));
  runPython("save_state_dict.py", trained.safetensors, trained.pth);
});

/** Another normalisation than `noise` has. */
function configOf(changes: Partial<CheckpointConfig> = {}): CheckpointConfig {
  return {
    architecture: "resnet18_small",
    num_classes: CLASSES,
    in_chans: 3,
    input_size: [3, 16, 16],
    mean: [0.1, 0.2, 0.3],
    std: [0.4, 0.5, 0.6],
    interpolation: "bilinear",
    crop_pct: 0.9,
    label_names: [...noise.train.classes],
    model_options: { width: 4 },
    ...changes,
  };
}

function only(tensors: Weights, which: (name: string) => boolean): Map<string, RawTensor> {
  return new Map([...tensors].filter(([name]) => which(name)));
}

const backbone = (tensors: Weights) => only(tensors, (name) => !HEAD.test(name));
const head = (tensors: Weights) => only(tensors, (name) => HEAD.test(name));

/** The weights that steps change, whether or not they are averaged: float32. */
function live(trainer: Trainer): Map<string, RawTensor> {
  const { tensors } = trainer.trainingState();
  const raw = only(tensors, (name) => name.startsWith("weights."));
  return raw.size > 0
    ? new Map([...raw].map(([name, tensor]) => [name.slice("weights.".length), tensor]))
    : trainer.weights();
}

// --- the weights a run starts from

for (const kind of ["checkpoint", "run", "safetensors", "pth"] as const) {
  test(`init from a ${kind}: the file's weights bit for bit, another head where the classes differ`, () => {
    const init = trained[kind];
    using scratch = trainerOf({});
    using fewer = trainerOf({ init: { weights: init } });
    assert.deepEqual(backbone(fewer.weights()), backbone(weights));
    assert.deepEqual(head(fewer.weights()), head(scratch.weights()));
    assert.match(detailOf(fewer, "init") ?? "", /fc re-initialised: the file has 10 classes, the model 4/);
    using same = trainerOf({ init: { weights: init } }, noise);
    assert.deepEqual(same.weights(), new Map(weights));
    assert.equal(detailOf(same, "init"), `weights from ${init}`);
  });
}

test("initial weights are what 16-bit training and averaging start from, too", () => {
  using trainer = trainerOf({ init: { weights: trained.checkpoint }, precision: "bf16", ema: {} }, noise);
  assert.deepEqual(trainer.weights(), new Map(weights));
  assert.deepEqual(live(trainer), new Map(weights));
});

test("initial weights of another architecture: one error that lists what does not fit", () => {
  assert.throws(
    () => trainerOf({ init: { weights: trained.checkpoint }, modelOptions: { width: 8 } }),
    inputError(
      /checkpoint: the weights do not fit the model: .* of another shape \(conv1\.weight is \[4, 3, 3, 3\], .* more/,
    ),
  );
  assert.throws(
    () => trainerOf({ init: { weights: trained.pth }, model: "resnet18d_small" }),
    inputError(/w\.pth: these weights are not for resnet18d_small: give --model resnet18_small --option width=4$/),
  );
});

test("the normalisation is the recipe's, else the checkpoint's, else the data's", () => {
  const { config } = startingWeights(tiny({ init: { weights: trained.checkpoint } }), []) ?? {};
  const formats = (recipe: RecipeInput, checkpoint?: CheckpointConfig) => {
    const { train, validation } = trainingData(noise, tiny(recipe), checkpoint);
    assert.deepEqual([validation.mean, validation.std], [train.mean, train.std]);
    return [train.mean, train.std];
  };
  const normalize = { mean: [0, 0.5, 1], std: [1, 2, 3] };
  assert.deepEqual(formats({}), [noise.train.mean, noise.train.std]);
  assert.deepEqual(formats({}, config), [configOf().mean, configOf().std]);
  assert.deepEqual(formats({ normalize }, config), [normalize.mean, normalize.std]);
  assert.equal(startingWeights(tiny({ init: { weights: trained.safetensors } }), [])?.config, undefined);
});

test("photographs are evaluated as the paper's: 256 and 224, Inception-V3's 342 and 299", () => {
  const split = { kind: "photos", name: "p", count: 0, labels: new Int32Array(0), classes: [] } as const;
  const set = { ...split, locations: {} as PhotoSet["locations"] };
  const source: PhotoSource = {
    ...{ kind: "photos", train: set, validation: set, description: "", split: "given" },
    otherFiles: { count: 0, examples: [] },
  };
  for (const [model, input, shorter] of [
    ["resnet18", 224, 256],
    ["inception_v3", 299, 342],
  ] as const) {
    const { validation } = trainingData(source, parseRecipe({ model }, "the test's recipe"), undefined);
    const { size, cropPct } = kindOf(validation).evaluation(validation);
    assert.deepEqual([size, Math.floor(input / cropPct)], [[input, input], shorter]);
  }
});

test("--mean and --std are one normalisation", () => {
  const { normalize } = recipeFromOptions(tiny(), { mean: [0.5], std: [0.25] });
  assert.deepEqual(normalize, { mean: [0.5], std: [0.25] });
  assert.throws(() => recipeFromOptions(tiny(), { mean: [0.5] }), inputError(/--std: must be a list of numbers/));
  assert.throws(() => recipeFromOptions(tiny(), { mean: [0.5], std: [0] }), inputError(/--std: must be/));
});

test("what images in memory cannot be given is an error", () => {
  const given = (recipe: RecipeInput, checkpoint?: CheckpointConfig) => () =>
    trainingData(noise, tiny(recipe), checkpoint);
  assert.throws(given({ imageSize: 32 }), inputError(/--image-size\): these images have their size, 16x16/));
  assert.throws(given({ normalize: { mean: [0.5], std: [1, 1, 1] } }), inputError(/--mean\): 1 channels.*have 3/));
  assert.throws(given({ normalize: { mean: [0, 0, 0], std: [1, 1] } }), inputError(/--std\): 2 channels.*have 3/));
  const four = configOf({ in_chans: 4, input_size: [4, 16, 16], mean: [0, 0, 0, 0], std: [1, 1, 1, 1] });
  assert.throws(given({}, four), inputError(/--init.* images of 4 channels, these have 3/));
  assert.throws(given({ channels: 3 }), inputError(/--channels\): these images have theirs, 3; drop it/));
});

test("zero gamma would erase what was learned, and a spared backbone needs weights", () => {
  assert.throws(() => tiny({ init: { weights: trained.pth }, zeroGamma: true }), inputError(/zeroGamma: would erase/));
  assert.throws(() => trainerOf({ freezeEpochs: 1 }), inputError(/init: freezeEpochs .*--init/));
  assert.throws(() => trainerOf({ backboneLr: 0.1 }), inputError(/init: backboneLr .*--init/));
  assert.throws(
    () => tiny({ init: { weights: trained.pth }, freezeEpochs: 3 }),
    inputError(/freezeEpochs: must be fewer.* 3/),
  );
});

test("nothing at the path of the weights: no run folder is made", async () => {
  const out = at("never");
  await assert.rejects(
    session({ data: four, recipe: tiny({ init: { weights: at("nowhere") } }), out }),
    inputError(/nothing at .*nowhere/),
  );
  assert.equal(existsSync(out), false);
});

// --- resume

test("a run from initial weights that are gone by then goes on with the same bits, also from within the frozen epochs", async () => {
  const recipe = (init: string) =>
    tiny({
      init: { weights: init },
      freezeEpochs: 2,
      backboneLr: 0.1,
      classBalance: "sampling",
      precision: "bf16",
      ema: { decay: 0.9 },
      accumulation: 2,
      epochs: 4,
    });
  await session({ data: unequal, recipe: recipe(trained.checkpoint), out: at("whole") });
  const init = at("borrowed");
  cpSync(trained.checkpoint, init, { recursive: true, dereference: true });
  const out = at("parts");
  await session({ data: unequal, recipe: recipe(init), out }, 2);
  rmSync(init, { recursive: true });
  await session({ resume: out, data: unequal }, 5);
  await session({ resume: out, data: unequal }, 8);
  await session({ resume: out, data: unequal }, 10);
  await session({ resume: out, data: unequal });
  assert.deepEqual(left(out, init), left(at("whole"), trained.checkpoint));
  assert.deepEqual(loadCheckpoint(out).config.mean, configOf().mean);
});

// --- frozen epochs

for (const changes of [
  {},
  { accumulation: 2 },
  { precision: "bf16", lossScale: "dynamic" },
  { precision: "bf16", ema: { decay: 0.9 }, mixup: {}, nesterov: false },
] satisfies RecipeInput[]) {
  test(`frozen epochs move the head alone, then all learns: ${JSON.stringify(changes)}`, async () => {
    using trainer = trainerOf({
      ...changes,
      init: { weights: trained.checkpoint },
      freezeEpochs: 2,
      noBiasDecay: false,
    });
    const atFirst = live(trainer);
    const averages = backbone(trainer.weights());
    const moving = () => only(trainer.trainingState().tensors, (name) => /^momentum\.(?!fc\.)/.test(name));
    const lowered = () => new Map(Array.from(trainer.model.state(), ([name, tensor]) => [name, rawTensor(tensor)]));
    const loweredAtFirst = backbone(lowered());
    let earlierHead = head(atFirst);
    for (const epoch of [0, 1]) {
      trainer.beginEpoch(epoch);
      take(trainer, epoch * STEPS_PER_EPOCH, (epoch + 1) * STEPS_PER_EPOCH);
      await trainer.evaluate(evaluationLoader(four.validation, { workers: 0 }).all());
      assert.deepEqual(backbone(live(trainer)), backbone(atFirst));
      assert.deepEqual(backbone(lowered()), loweredAtFirst);
      for (const [name, { data }] of head(live(trainer))) assert.notDeepEqual(data, earlierHead.get(name)?.data, name);
      earlierHead = head(live(trainer));
      for (const [name, { data }] of moving())
        assert.ok(
          data.every((byte) => byte === 0),
          name,
        );
    }
    // Averages of what does not change do not drift but for rounding.
    for (const [name, { data, dtype }] of backbone(trainer.weights())) {
      if (dtype !== "float32") continue;
      const [now, then] = [data, averages.get(name)?.data ?? data].map(floats);
      now?.forEach((value, i) => {
        assert.ok(Math.abs(value - (then?.[i] ?? Number.NaN)) <= 1e-6 * Math.max(1, Math.abs(value)), name);
      });
    }
    trainer.beginEpoch(2);
    take(trainer, 2 * STEPS_PER_EPOCH, 3 * STEPS_PER_EPOCH);
    for (const [name, { data }] of live(trainer)) assert.notDeepEqual(data, atFirst.get(name)?.data, name);
    for (const [name, { data }] of moving())
      assert.ok(
        data.some((byte) => byte !== 0),
        name,
      );
  });
}

test("a run keeps its backbone over the evaluations between frozen epochs", async () => {
  const out = at("frozen");
  const recipe = tiny({ init: { weights: trained.checkpoint }, freezeEpochs: 2 });
  const same: boolean[] = [];
  for await (const event of runSession({ data: four, recipe, out, workers: 0, device: "cpu" }, () => false)) {
    if (event.type !== "checkpoint" || event.kind !== "last") continue;
    const now = loadCheckpoint(event.path).weights;
    same.push(
      [...backbone(now)].every(([name, { data }]) =>
        Buffer.from(data).equals(weights.get(name)?.data ?? data.subarray(1)),
      ),
    );
  }
  assert.deepEqual(same, [true, true, false]);
});

test("the layers that the entry names are heads, an auxiliary classifier's too; another linear layer is none", () => {
  class Two extends Module {
    readonly stem = new Linear(2, 2);
    readonly AuxLogits = new Linear(2, 3);
    readonly fc = new Linear(2, 3);
    override forward(input: Tensor): Tensor {
      return input;
    }
  }
  using model = new Two();
  const names = new Map(Array.from(model.parameters(), ([name, parameter]) => [parameter, name]));
  const { head, backbone } = partsOf(model, ["fc", "AuxLogits"]);
  assert.deepEqual(
    Array.from(head, (parameter) => names.get(parameter)),
    ["AuxLogits.weight", "AuxLogits.bias", "fc.weight", "fc.bias"],
  );
  assert.deepEqual(
    Array.from(backbone, (parameter) => names.get(parameter)),
    ["stem.weight", "stem.bias"],
  );
});

// --- the backbone's learning rate

test("a step moves the backbone by a share of the learning rate, the head by all of it, weight decay as before", () => {
  const afterOne = (backboneLr: number) => {
    using trainer = trainerOf({
      init: { weights: trained.checkpoint },
      backboneLr,
      noBiasDecay: true,
      weightDecay: 0.1,
      momentum: 0.5,
    });
    trainer.beginEpoch(0);
    take(trainer, 0, 1);
    return { weights: trainer.weights(), momenta: trainer.trainingState().tensors, first: backbone(weights) };
  };
  const [whole, tenth] = [afterOne(1), afterOne(0.1)];
  assert.deepEqual(tenth.momenta, whole.momenta);
  assert.deepEqual(head(tenth.weights), head(whole.weights));
  for (const [name, { data }] of tenth.first) {
    const velocity = tenth.momenta.get(`momentum.${name}`);
    if (!velocity) continue;
    const [before, v] = [floats(data), floats(velocity.data)];
    // Nesterov's first step: g + m v with v = g.
    for (const [factor, { weights }] of [
      [1, whole],
      [0.1, tenth],
    ] as const) {
      const now = floats(weights.get(name)?.data ?? data);
      near(
        [...now],
        Array.from(before, (w, i) => w - 0.05 * factor * 1.5 * (v[i] ?? 0)),
        1e-6,
      );
    }
  }
});

// --- as people and programs use it

test("an opened folder of photographs goes to the training thread as it is", async () => {
  const photos = at("photos");
  for (const [label, name] of ["dark", "bright"].entries()) {
    mkdirSync(join(photos, name), { recursive: true });
    for (let i = 0; i < 10; i++) {
      const background = { r: 40 + 150 * label, g: 12 * i, b: 90 };
      await sharp({ create: { width: 50 + i, height: 40, channels: 3, background } })
        .jpeg()
        .toFile(join(photos, name, `${i}.jpg`));
    }
  }
  const source = openData(photos);
  assert.ok("kind" in source);
  const recipe: RecipeInput = {
    ...TINY,
    model: "mobilenetv1_025",
    modelOptions: {},
    imageSize: 32,
    epochs: 1,
    batchSize: 4,
  };
  const out = at("photo-run");
  const events: TrainEvent[] = [];
  for await (const event of train({ data: source, recipe, out, workers: 1 })) {
    events.push(event);
    if (event.type === "step" && event.step === 2) break;
  }
  for await (const event of train({ resume: out, data: source, workers: 0 })) events.push(event);
  assert.deepEqual(
    (left(out).metrics as TrainEvent[]).flatMap((event) => (event.type === "step" ? [event.step] : [])),
    [1, 2, 3, 4],
  );
  assert.equal(ofType(events, "epoch").at(-1)?.badPictures, 0);
  const { config } = loadCheckpoint(out);
  assert.deepEqual(
    [config.label_names, config.input_size],
    [
      ["bright", "dark"],
      [3, 32, 32],
    ],
  );
  const { metrics } = await evaluateCheckpoint(out, [source.validation]);
  assert.equal(metrics["top-1"], ofType(events, "done").at(-1)?.top1);
});

const knack = (...args: string[]) => {
  const main = new URL("../../src/cli/main.js", import.meta.url);
  const code = `import(${JSON.stringify(main.href)}).then(({ main }) => main(["node", "knack", ...process.argv.slice(1)]))`;
  return spawnSync(process.execPath, ["-e", code, "--", ...args], {
    encoding: "utf8",
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
};

test("knack train --init: the checkpoint brings architecture, options and normalisation, over the recipe's own", () => {
  const data = writeTinyData(at("bars"), { train: 16, validation: 8, classes: 4 });
  using grey = disposing(new Trainer(tiny({ modelOptions: { width: 8 } }), greyNoise(), { device: "cpu" }));
  const init = at("grey");
  const config = configOf({
    in_chans: 1,
    input_size: [1, 28, 28],
    mean: [0.25],
    std: [0.75],
    model_options: { width: 8 },
  });
  saveCheckpoint(init, { weights: grey.weights(), config });
  const recipe = at("own.json");
  writeFileSync(recipe, JSON.stringify({ ...TINY, model: "resnet50_small", modelOptions: { width: 4 }, epochs: 1 }));
  const out = at("by-command");
  const { status, stderr, stdout } = knack("train", data, "--recipe", recipe, "--init", init, "--out", out, "--json");
  assert.equal(stderr, "");
  assert.equal(status, 0);
  assert.match(stdout, /fc re-initialised: the file has 10 classes, the model 4/);
  const made = loadCheckpoint(out).config;
  assert.deepEqual(
    [made.architecture, made.model_options, made.mean, made.std, made.num_classes],
    ["resnet18_small", { width: 8 }, [0.25], [0.75], 4],
  );
});

function greyNoise(): DataSource {
  const { pixels, count } = noise.train;
  const set = {
    ...noise.train,
    pixels: pixels.subarray(0, count * 256),
    channels: 1,
    mean: [0.5],
    std: [0.3],
  } as const;
  return { train: set, validation: set, description: "grey noise" };
}

test("knack train --init of what is not there: one line, exit code 2", () => {
  const data = writeTinyData(at("bars2"), { train: 16, validation: 8 });
  const { status, stderr } = knack("train", data, "--init", at("nowhere"), "--out", at("no-run"), "--batch-size", "8");
  assert.match(stderr, /^knack: [^\n]*there is nothing at [^\n]*nowhere\n$/);
  assert.equal(status, 2);
});
