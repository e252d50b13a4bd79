/** Training that starts from trained weights, and what goes with it: frozen epochs, balanced classes, early stop. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { recipeFromOptions } from "../src/cli/recipe-options.js";
import { balancedOrder } from "../src/data/balanced-order.js";
import type { DataSource } from "../src/data/image-set.js";
import { Loader } from "../src/data/loader.js";
import type { PhotoSet, PhotoSource } from "../src/data/photo-set.js";
import { prepareImages } from "../src/data/prepare-images.js";
import { SentBatch } from "../src/data/sent-batch.js";
import { isFormattedPhotos } from "../src/data/split.js";
import { openData, type TrainEvent, train } from "../src/index.js";
import { addon } from "../src/native/addon.js";
import { Linear } from "../src/nn/linear.js";
import { Module, Parameter } from "../src/nn/module.js";
import { rawTensor } from "../src/nn/state-dict.js";
import { backward, noGradient } from "../src/tensor/autograd.js";
import { mul, sumAll } from "../src/tensor/ops.js";
import { randomFor, seedFor } from "../src/tensor/random.js";
import type { RawTensor } from "../src/tensor/raw-tensor.js";
import { scope } from "../src/tensor/scope.js";
import { Tensor } from "../src/tensor/tensor.js";
import { audit } from "../src/training/audit.js";
import { partsOf } from "../src/training/backbone.js";
import { classWeights } from "../src/training/class-balance.js";
import { evaluationLoader } from "../src/training/evaluate.js";
import { evaluateCheckpoint } from "../src/training/evaluate-checkpoint.js";
import { initialWeights } from "../src/training/initial-weights.js";
import { parseRecipe, type Recipe, type RecipeInput } from "../src/training/recipe.js";
import { type NewRun, type ResumedRun, runSession } from "../src/training/session.js";
import { Sgd } from "../src/training/sgd.js";
import { Trainer } from "../src/training/trainer.js";
import { trainingData } from "../src/training/training-data.js";
import { targetDistribution } from "../src/tricks/label-smoothing.js";
import { drawMixup, mixup } from "../src/tricks/mixup.js";
import { loadCheckpoint, loadTrainingState, saveCheckpoint } from "../src/weights/checkpoint.js";
import type { CheckpointConfig } from "../src/weights/config.js";
import { loadModel } from "../src/weights/load-model.js";
import { encodeSafetensors } from "../src/weights/safetensors.js";
import { inputError } from "./input-error.js";
import { askPython, runPython } from "./oracle.js";
import { batchOf, CLASSES, randomData } from "./random-data.js";
import { writeTinyData } from "./tiny-data.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);
process.env.OMP_NUM_THREADS = "1";

type Weights = ReadonlyMap<string, RawTensor>;

const BATCH = 8;
const STEPS_PER_EPOCH = 4;
const noise = randomData(BATCH * STEPS_PER_EPOCH, 16);
const HEAD = /^(weights\.|momentum\.)?fc\./;

const TINY: RecipeInput = {
  name: "tiny",
  model: "resnet18_small",
  modelOptions: { width: 4 },
  epochs: 3,
  batchSize: BATCH,
  lr: 0.05,
  seed: 1,
};

const folder = mkdtempSync(join(tmpdir(), "knack-transfer-"));
const at = (...path: string[]) => join(folder, ...path);
const trained = {
  checkpoint: at("checkpoint"),
  run: at("run"),
  safetensors: at("plain.safetensors"),
  pth: at("w.pth"),
};
/** What the files hold. */
let weights: Weights;

before(() => {
  using others = disposing(new Trainer(tiny({ seed: 5 }), noise, "cpu"));
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
after(() => rmSync(folder, { recursive: true }));

function tiny(changes: RecipeInput = {}): Recipe {
  return parseRecipe({ ...TINY, ...changes }, "the test's recipe");
}

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

/** The noise with its labels made ones of fewer classes: label -> of(label). */
function relabelled(classes: number, of: (label: number, index: number) => number): DataSource {
  const set = {
    ...noise.train,
    labels: noise.train.labels.map(of),
    classes: Array.from({ length: classes }, (_, label) => `class ${label}`),
  };
  return { train: set, validation: set, description: "relabelled noise" };
}

const four = relabelled(4, (label) => label % 4);
/** 3 : 1, in every batch of 8 as well. */
const unequal = relabelled(2, (_, index) => (index % 4 === 0 ? 1 : 0));

function disposing(trainer: Trainer): Trainer & Disposable {
  return Object.assign(trainer, { [Symbol.dispose]: () => trainer.dispose() });
}

function trainerOf(changes: RecipeInput, data: DataSource = four): Trainer & Disposable {
  const recipe = tiny(changes);
  return disposing(new Trainer(recipe, data, "cpu", initialWeights(recipe)));
}

/** Steps from `from` up to, but not including, `to`. */
function take(trainer: Trainer, from: number, to: number): void {
  for (let step = from; step < to; step++) trainer.step(batchOf(trainer.data as DataSource, BATCH, step), step);
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

/** A run in this thread, stopped after step `stopAfter`. */
async function session(options: Partial<NewRun> | Partial<ResumedRun>, stopAfter?: number): Promise<TrainEvent[]> {
  let stopped = false;
  const events: TrainEvent[] = [];
  const whole = { workers: undefined, device: "cpu", ...options } as NewRun | ResumedRun;
  for await (const event of runSession(whole, () => stopped)) {
    events.push(event);
    if (event.type === "step" && event.step === stopAfter) stopped = true;
  }
  assert.equal(events.at(-1)?.type, stopAfter === undefined ? "done" : "interrupted");
  return events;
}

function ofType<T extends TrainEvent["type"]>(events: readonly TrainEvent[], type: T) {
  return events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type);
}

function detailOf(trainer: Trainer, trick: string): string | undefined {
  return audit(trainer, "run").tricks.find((each) => each.trick === trick)?.detail;
}

/** What a run leaves behind but for times, and for what its weights from `init` were called. */
function left(run: string, init = "") {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8")
    .replaceAll(`weights from ${init}`, "")
    .trimEnd()
    .split("\n");
  const best = join(run, "checkpoints/best");
  return {
    weights: ["last", "best"].map((kind) => readFileSync(join(run, "checkpoints", kind, "model.safetensors"))),
    config: readFileSync(join(best, "config.json"), "utf8"),
    state: loadTrainingState(join(run, "checkpoints/last")).training,
    metrics: lines.map((line) => ({ ...JSON.parse(line), run: "", seconds: 0, imagesPerSecond: 0, waitSeconds: 0 })),
  };
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
    inputError(/w\.pth: .*missing \(.*unexpected \([^)]* conv1\.weight/),
  );
});

test("the normalisation is the recipe's, else the checkpoint's, else the data's", () => {
  const { config } = initialWeights(tiny({ init: { weights: trained.checkpoint } })) ?? {};
  const formats = (recipe: RecipeInput, checkpoint?: CheckpointConfig) => {
    const { train, validation } = trainingData(noise, tiny(recipe), checkpoint);
    assert.deepEqual([validation.mean, validation.std], [train.mean, train.std]);
    return [train.mean, train.std];
  };
  const normalize = { mean: [0, 0.5, 1], std: [1, 2, 3] };
  assert.deepEqual(formats({}), [noise.train.mean, noise.train.std]);
  assert.deepEqual(formats({}, config), [configOf().mean, configOf().std]);
  assert.deepEqual(formats({ normalize }, config), [normalize.mean, normalize.std]);
  assert.equal(initialWeights(tiny({ init: { weights: trained.safetensors } }))?.config, undefined);
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
    assert.ok(isFormattedPhotos(validation));
    const { size, cropPct } = validation.evaluation;
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
  const grey = configOf({ in_chans: 1, input_size: [1, 16, 16], mean: [0], std: [1] });
  assert.throws(given({}, grey), inputError(/--init.* images of 1 channels, these have 3/));
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

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
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

test("all linear layers are heads, an auxiliary classifier's too", () => {
  class Two extends Module {
    readonly stem = new Linear(2, 2);
    readonly AuxLogits = new Linear(2, 3);
    readonly fc = new Linear(2, 3);
    override forward(input: Tensor): Tensor {
      return input;
    }
  }
  using model = new Two();
  assert.equal(partsOf(model).head.size, 6);
});

// --- the backbone's learning rate

test("parameter groups with rates of their own step as PyTorch's", () => {
  const [rates, momentum] = [[0.1, 0.3, 0.02], 0.9];
  const groups = [
    { names: ["a", "b"], decay: 0.05, factor: 0.1 },
    { names: ["c"], decay: 0.05, factor: 1 },
    { names: ["d"], decay: 0, factor: 0.1 },
    { names: ["e"], decay: 0, factor: 1 },
  ];
  const random = randomFor(0, "groups");
  const draw = () => Float32Array.from({ length: 5 }, () => 2 * random.uniform() - 1);
  const given = new Map<string, RawTensor>();
  const put = (name: string, values: Float32Array) =>
    given.set(name, { dtype: "float32", shape: [5], data: new Uint8Array(values.buffer) });
  const parameters = new Map<string, Parameter>();
  const gradients = new Map<string, Float32Array[]>();
  for (const name of groups.flatMap(({ names }) => names)) {
    const values = draw();
    put(name, values);
    parameters.set(name, Parameter.of(Tensor.from([...values])));
    gradients.set(name, rates.map(draw));
    for (const [step, gradient] of (gradients.get(name) ?? []).entries()) put(`${name}.grad.${step}`, gradient);
  }
  const settings = [groups, rates, momentum].map((value) => JSON.stringify(value));
  const expected = askPython("sgd_groups.py", given, ...settings);
  const sgd = new Sgd(
    groups.map(({ names, decay, factor }) => ({
      parameters: new Map([...parameters].filter(([name]) => names.includes(name))),
      weightDecay: decay,
      lrFactor: factor,
    })),
    { momentum, nesterov: true, masters: new Map() },
  );
  for (const [step, rate] of rates.entries()) {
    scope(() => {
      for (const [name, parameter] of parameters) {
        backward(sumAll(mul(parameter, Tensor.from([...(gradients.get(name)?.[step] ?? [])]))));
      }
    });
    sgd.step(rate, 1);
  }
  const momenta = Array.from(sgd.momenta(), ([name, tensor]) => [`momentum.${name}`, tensor] as const);
  for (const [name, tensor] of [...parameters, ...momenta]) {
    const wanted = floats(expected.get(name)?.data ?? new Uint8Array());
    near(tensor.toArray(), [...wanted], 1e-6);
  }
  sgd.dispose();
  for (const parameter of parameters.values()) parameter.dispose();
});

function near(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) {
    assert.ok(Math.abs(value - (expected[i] ?? Number.NaN)) <= tolerance, `${value} is not ${expected[i]}`);
  }
}

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

// --- unequal classes

test("class weights, worked by hand; a class without images has none", () => {
  assert.deepEqual(
    [...classWeights(Int32Array.of(0, 0, 0, 1, 2, 0, 1, 0), 3)],
    [8 / 15, 8 / 6, 8 / 3].map(Math.fround),
  );
  assert.throws(() => classWeights(Int32Array.of(0, 2), 3), inputError(/classBalance: class 1 has no training image/));
  assert.throws(
    () =>
      trainerOf(
        { classBalance: "weights" },
        relabelled(3, (label) => label % 2),
      ),
    inputError(/class 2/),
  );
});

test("balancing classes that are equal is an error", () => {
  const equal = relabelled(2, (_, index) => index % 2);
  for (const classBalance of ["weights", "sampling"] as const) {
    using trainer = trainerOf({ classBalance }, equal);
    assert.throws(() => audit(trainer, "run"), inputError(/class-balance .*every class has 16 images/));
  }
});

test("the weighted loss is PyTorch's, with label smoothing and mixup too", () => {
  const weight = rawTensor(Tensor.from([...classWeights(unequal.train.labels, 2)]));
  const question = new Map([["weight", weight]]);
  const batch = batchOf(unequal, BATCH, 0);
  const all: RecipeInput[] = [{}, { labelSmoothing: {} }, { labelSmoothing: { spread: "all" }, mixup: { alpha: 1 } }];
  const losses = all.map((changes, at) => {
    using trainer = trainerOf({ ...changes, classBalance: "weights" }, unequal);
    using twin = trainerOf(changes, unequal);
    const { recipe } = twin;
    scope(() =>
      noGradient(() => {
        using sent = new SentBatch(batch, unequal.train, "cpu");
        const prepared = sent.prepare();
        const clean = {
          images: prepared.images,
          targets: targetDistribution(prepared.labels, 2, recipe.labelSmoothing),
        };
        const draw = recipe.mixup && drawMixup(recipe.mixup, seedFor(recipe.seed, "mixup", 0, 0));
        const { images, targets } =
          recipe.mixup && draw ? mixup(clean.images, clean.targets, recipe.mixup, draw) : clean;
        question.set(`logits.${at}`, rawTensor(twin.model.forward(images)));
        question.set(`targets.${at}`, rawTensor(targets));
      }),
    );
    return { weighted: trainer.step(batch, 0).labelLoss, plain: twin.step(batch, 0).labelLoss };
  });
  const expected = [...floats(askPython("weighted_loss.py", question).get("losses")?.data ?? new Uint8Array())];
  near(
    losses.map(({ weighted }) => weighted),
    expected,
    1e-5,
  );
  for (const { weighted, plain } of losses)
    assert.ok(Math.abs(weighted - plain) > 1e-3, "the weights make a difference");
});

test("balanced sampling: every class equally often, its images in turn, the same for the same seed and epoch", () => {
  const labels = Int32Array.from({ length: 103 }, (_, i) => (i < 80 ? 0 : i < 100 ? 1 : 2));
  const orderOf = (epoch: number) => balancedOrder(labels, 3, randomFor(4, "order", epoch));
  const order = orderOf(0);
  assert.equal(order.length, labels.length);
  for (let start = 0; start + 3 <= order.length; start += 3) {
    assert.deepEqual([...order.subarray(start, start + 3)].map((index) => labels[index]).sort(), [0, 1, 2]);
  }
  const seen = new Uint32Array(labels.length);
  for (const index of order) seen[index] = (seen[index] ?? 0) + 1;
  // 34 or 35 of each class: of 80 images not all, each of 20 once or twice, each of 3 eleven or twelve times.
  for (const [label, [least, most]] of [
    [0, 1],
    [1, 2],
    [11, 12],
  ].entries()) {
    const times = [...seen].filter((_, index) => labels[index] === label);
    assert.ok(
      times.every((count) => count >= (least ?? 0) && count <= (most ?? 0)),
      `class ${label}: ${times}`,
    );
  }
  assert.deepEqual(orderOf(0), order);
  assert.notDeepEqual(orderOf(1), order);
});

test("the loader draws balanced batches, from the middle of an epoch too", async () => {
  const { augmentation, seed } = tiny();
  const loader = new Loader(unequal.train, { batchSize: BATCH, augmentation, seed, sampling: "balanced", workers: 0 });
  const batches = async (first: number) => {
    const found = [];
    for await (const batch of loader.epoch(3, first)) found.push(batch);
    return found;
  };
  const all = await batches(0);
  for (const { labels } of all)
    assert.equal(
      labels.reduce((sum, label) => sum + label, 0),
      BATCH / 2,
    );
  assert.deepEqual(await batches(2), all.slice(2));
});

test("a run with balanced sampling trains on those batches", async () => {
  const recipe = tiny({ classBalance: "sampling" });
  const [first] = ofType(await session({ data: unequal, recipe, out: at("balanced") }, 1), "step");
  using trainer = trainerOf({ classBalance: "sampling" }, unequal);
  const { batchSize, augmentation, seed } = recipe;
  const loader = new Loader(unequal.train, { batchSize, augmentation, seed, sampling: "balanced", workers: 0 });
  for await (const batch of loader.epoch(0)) {
    assert.equal(trainer.step(batch, 0).loss, first?.loss);
    break;
  }
  assert.match(detailOf(trainer, "class-balance") ?? "", /classes of 8 to 24 images drawn equally often/);
});

// --- early stop

test("early stop: the run ends patience epochs after the best, whose figures and weights are the run's", async () => {
  const [epochs, bestEpoch, patience] = [8, 2, 3];
  const plain = tiny({ epochs, lr: 0.01 });
  // What the network of epoch 2 says becomes the truth, so that no other epoch is as good.
  const planted = { ...four, validation: { ...four.validation, labels: await answersAfter(bestEpoch, plain) } };
  const out = at("stopped-early");
  const events = await session({ data: planted, recipe: { ...plain, earlyStop: { patience } }, out });
  const evaluated = ofType(events, "epoch");
  assert.equal(evaluated.length, bestEpoch + patience);
  assert.deepEqual(
    evaluated.map(({ top1 }) => top1 === 1),
    evaluated.map(({ epoch }) => epoch === bestEpoch),
  );
  const [done] = ofType(events, "done");
  const { top1, validationLoss } = evaluated[bestEpoch - 1] ?? {};
  assert.deepEqual(
    [done?.epoch, done?.top1, done?.bestTop1, done?.validationLoss],
    [bestEpoch, top1, 1, validationLoss],
  );
  const measured = await evaluateCheckpoint(out, [planted.validation]);
  assert.deepEqual([measured.top1, measured.loss], [1, validationLoss]);

  const before = left(out);
  const again = await session({ resume: out, data: planted });
  assert.equal(ofType(again, "step").length + ofType(again, "epoch").length, 0);
  assert.deepEqual({ ...ofType(again, "done")[0], seconds: 0 }, { ...done, seconds: 0 });
  assert.deepEqual(left(out), before);

  // Without early stop the figures are the last epoch's.
  const whole = ofType(await session({ data: planted, recipe: plain, out: at("not-stopped") }), "done")[0];
  assert.deepEqual([whole?.epoch, whole?.bestTop1], [epochs, 1]);
  assert.ok((whole?.top1 ?? 1) < 1);
});

/** The classes that a run's network sees in the validation images after so many epochs. */
async function answersAfter(epochs: number, recipe: Recipe): Promise<Int32Array> {
  const out = at("answers");
  for await (const event of runSession({ data: four, recipe, out, workers: 0, device: "cpu" }, () => false)) {
    if (event.type === "checkpoint" && event.kind === "last" && event.epoch === epochs) break;
  }
  const { model, format } = loadModel(join(out, "checkpoints/last"), "cpu");
  using _ = model;
  const logits = scope(() =>
    noGradient(() => model.forward(prepareImages(four.validation.pixels, format, "cpu")).toArray()),
  );
  return Int32Array.from({ length: four.validation.count }, (_, image) => {
    const own = logits.slice(4 * image, 4 * image + 4);
    return own.indexOf(Math.max(...own));
  });
}

test("early stop that cannot happen is an error", () => {
  for (const [patience, idle] of [
    [2, false],
    [3, true],
  ] as const) {
    using trainer = trainerOf({ earlyStop: { patience } });
    if (!idle) assert.match(detailOf(trainer, "early-stop") ?? "", /after 2 epochs/);
    else assert.throws(() => audit(trainer, "run"), inputError(/early-stop .*3 epochs without.*in 3 epochs/));
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
  assert.equal((await evaluateCheckpoint(out, [source.validation])).top1, ofType(events, "done").at(-1)?.top1);
});

const knack = (...args: string[]) => {
  const main = new URL("../src/cli/main.js", import.meta.url);
  const code = `import(${JSON.stringify(main.href)}).then(({ main }) => main(["node", "knack", ...process.argv.slice(1)]))`;
  return spawnSync(process.execPath, ["-e", code, "--", ...args], {
    encoding: "utf8",
    cwd: fileURLToPath(new URL("..", import.meta.url)),
  });
};

test("knack train --init: the checkpoint brings architecture, options and normalisation, over the recipe's own", () => {
  const data = writeTinyData(at("bars"), { train: 16, validation: 8, classes: 4 });
  using grey = disposing(new Trainer(tiny({ modelOptions: { width: 8 } }), greyNoise(), "cpu"));
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
