import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { ImageSet } from "../../src/data/image-set.js";
import type { Batch } from "../../src/data/loading/loader.js";
import { ConvolutionChoices } from "../../src/engine/convolution-choices.js";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { addon } from "../../src/native/torch/addon.js";
import { Module } from "../../src/nn/module.js";
import { reshape } from "../../src/tensor/ops.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { liveTensors } from "../../src/tensor/scope.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { audit } from "../../src/run/audit.js";
import { evaluate, evaluationLoader } from "../../src/training/evaluate.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { Recipe, RecipeInput } from "../../src/recipe/recipe.js";
import { Trainer } from "../../src/training/trainer.js";
import { LossScaler } from "../../src/optim/loss-scaler.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { inputError } from "../support/input-error.js";
import { batchOf, CLASSES, randomData } from "../support/random-data.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const BATCH = 8;
const STEPS_PER_EPOCH = 4;
const data = randomData(BATCH * STEPS_PER_EPOCH, 16);

const TINY: RecipeInput = {
  name: "tiny",
  model: "resnet18d_small",
  modelOptions: { width: 4 },
  epochs: 10,
  batchSize: BATCH,
  lr: 0.001,
};

function tinyRecipe(changes: RecipeInput = {}): Recipe {
  return parseRecipe({ ...TINY, ...changes }, "the test's recipe");
}

/** As the trainers of one run: the same algorithms for all of them, also where others use the machine while they are chosen. */
const engine = { ...DEFAULT_ENGINE, choices: new ConvolutionChoices() };

/** Runs `body` with a trainer of a tiny network. */
function withTrainer<T>(changes: RecipeInput, body: (trainer: Trainer) => T): T {
  const trainer = new Trainer(tinyRecipe(changes), data, { device: "cpu", engine });
  try {
    return body(trainer);
  } finally {
    trainer.dispose();
  }
}

/** Steps from `from` up to, but not including, `to`. */
function take(trainer: Trainer, from: number, to: number): void {
  for (let step = from; step < to; step++) trainer.step(batchOf(data, BATCH, step), step);
}

/** Runs `body` with the path of a checkpoint of a tiny network. */
function withTeacher<T>(body: (teacher: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "knack-training-"));
  try {
    const { model: architecture, modelOptions } = tinyRecipe();
    const { mean, std, classes, height, width, channels } = data.train;
    const config = {
      architecture,
      num_classes: CLASSES,
      in_chans: channels,
      input_size: [channels, height, width] as [number, number, number],
      mean: [...mean],
      std: [...std],
      label_names: [...classes],
      interpolation: "bilinear" as const,
      crop_pct: 1,
      model_options: modelOptions,
    };
    const teacher = join(folder, "teacher");
    saveCheckpoint(teacher, { weights: withTrainer({}, (trainer) => trainer.weights()), config });
    return body(teacher);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const everyTrick = (teacher: string): RecipeInput => ({
  accumulation: 2,
  linearScaling: {},
  warmup: { epochs: 1 },
  zeroGamma: true,
  noBiasDecay: true,
  precision: "bf16",
  lossScale: "dynamic",
  schedule: { type: "cosine" },
  labelSmoothing: {},
  distillation: { teacher },
  mixup: {},
  ema: {},
});

test("50 steps and an evaluation with every trick leave as many tensors alive as before, a disposed trainer none", async () => {
  const atFirst = liveTensors();
  const trainer = withTeacher(
    (teacher) => new Trainer(tinyRecipe({ ...everyTrick(teacher), epochs: 20 }), data, { device: "cpu" }),
  );
  // What is compiled for the run is compiled at the first step and the first evaluation.
  take(trainer, 0, 1);
  await trainer.evaluate(imagesOf(data.validation));
  const before = liveTensors();
  take(trainer, 1, 51);
  await trainer.evaluate(imagesOf(data.validation));
  trainer.weights();
  trainer.trainingState();
  assert.equal(liveTensors(), before);
  trainer.dispose();
  assert.equal(liveTensors(), atFirst);
});

test("memory does not grow over 500 steps", async () => {
  const trainer = new Trainer(tinyRecipe({ epochs: 125, mixup: {}, ema: {}, precision: "bf16" }), data, {
    device: "cpu",
  });
  try {
    const train = async (from: number, to: number) => {
      for (let step = from; step < to; step++) {
        take(trainer, step, step + 1);
        await setImmediate(); // as between the loader's batches; only then Node.js frees what it has collected
      }
    };
    await train(0, 100);
    const before = process.memoryUsage().rss;
    await train(100, 500);
    const growth = (process.memoryUsage().rss - before) / 2 ** 20;
    assert.ok(growth < 40, `grew by ${growth.toFixed(1)} MiB in 400 steps`);
  } finally {
    trainer.dispose();
  }
});

/** All images of a set, as an evaluation takes them. */
function imagesOf(set: ImageSet): AsyncIterable<Batch> {
  return evaluationLoader(set, { workers: 0 }).all();
}

/** A network whose logits are the pixels. */
class Pixels extends Module {
  readonly seen: boolean[] = [];

  override forward(images: Tensor): Tensor {
    this.seen.push(this.training);
    return reshape(images, [images.shape[0] ?? 0, -1]);
  }
}

function logitsAsImages(rows: readonly { logits: readonly number[]; label: number }[]): ImageSet {
  const classes = rows[0]?.logits.length ?? 0;
  return {
    name: "logits",
    pixels: Uint8Array.from(rows.flatMap(({ logits }) => logits)),
    labels: Int32Array.from(rows, ({ label }) => label),
    count: rows.length,
    height: 1,
    width: classes,
    channels: 1,
    classes: Array.from({ length: classes }, (_, label) => String(label)),
    mean: [0],
    std: [1 / 255],
  };
}

test("evaluation counts top-1 and top-5 and averages the loss over all images, also over more than one batch", async () => {
  // The label's logit is the first, second, fifth and last of six.
  const logits = [5, 4, 3, 2, 1, 0];
  const four = [0, 1, 4, 5].map((label) => ({ logits, label }));
  const rows = Array.from({ length: 151 }, () => four).flat();
  const set = logitsAsImages(rows);
  const model = new Pixels();
  const { metrics, images } = await evaluate(model, imagesOf(set), { format: set, device: "cpu" });
  const { "top-1": top1, "top-5": top5, loss = Number.NaN } = metrics;
  assert.deepEqual([top1, top5, images], [1 / 4, 3 / 4, 604]);
  const logSum = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  assert.ok(Math.abs(loss - (logSum - (5 + 4 + 1 + 0) / 4)) < 1e-6);
  assert.deepEqual(model.seen, [false, false]);
  assert.equal(model.training, true);
});

test("among three classes every label is in the top five", async () => {
  const set = logitsAsImages([0, 1, 2].map((label) => ({ logits: [9, 0, 0], label })));
  const { metrics } = await evaluate(new Pixels(), imagesOf(set), { format: set, device: "cpu" });
  assert.deepEqual([metrics["top-1"], metrics["top-5"]], [1 / 3, 1]);
});

test("the dynamic loss scale halves at an overflow, counts it, and doubles after 2000 good steps in a row", () => {
  const scaler = new LossScaler("dynamic");
  assert.deepEqual([scaler.active, scaler.scale], [true, 65536]);
  for (let step = 0; step < 1999; step++) scaler.update(true);
  scaler.update(false);
  assert.deepEqual([scaler.scale, scaler.skippedSteps], [32768, 1]);
  for (let step = 0; step < 1999; step++) scaler.update(true);
  assert.equal(scaler.scale, 32768);
  scaler.update(true);
  assert.deepEqual([scaler.scale, scaler.skippedSteps], [65536, 1]);
});

test("a static loss scale stays and still skips; without one nothing is looked for", () => {
  const scaler = new LossScaler(128);
  scaler.update(false);
  assert.deepEqual([scaler.active, scaler.scale, scaler.skippedSteps], [true, 128, 1]);
  const none = new LossScaler("none");
  assert.deepEqual([none.active, none.scale], [false, 1]);
});

test("a step that overflows is skipped, counted and halves the scale, until one fits", () => {
  withTrainer({ lossScale: "dynamic", ema: {} }, (trainer) => {
    trainer.scaler.scale = 2 ** 127;
    const before = trainedState(trainer);
    take(trainer, 0, 1);
    assert.deepEqual(trainedState(trainer), before);
    assert.deepEqual([trainer.scaler.scale, trainer.scaler.skippedSteps], [2 ** 126, 1]);
    let step = 1;
    while (trainer.scaler.goodSteps === 0 && step < 40) take(trainer, step, ++step);
    assert.equal(trainer.scaler.scale, 2 ** (127 - trainer.scaler.skippedSteps));
    assert.notDeepEqual(trainedState(trainer), before);
  });
});

/** Parameters, momentum and averages, without BN's own statistics, which every pass forward moves, as in PyTorch. */
function trainedState(trainer: Trainer): Map<string, RawTensor> {
  const { tensors } = trainer.trainingState();
  for (const [name, average] of trainer.weights()) tensors.set(`average.${name}`, average);
  return new Map([...tensors].filter(([name]) => !/^weights.*running_|num_batches_tracked$/.test(name)));
}

test("a static loss scale that is a power of two changes no bit", () => {
  const after = (lossScale: Recipe["lossScale"]) =>
    withTrainer({ lossScale }, (trainer) => {
      take(trainer, 0, 3);
      return trainer.weights();
    });
  assert.deepEqual(after(1024), after("none"));
});

test("a loss that is not finite ends the training where no loss scale looks for it", () => {
  withTrainer({ lr: 1e30 }, (trainer) => assert.throws(() => take(trainer, 0, 10), /^DivergedError: step \d+: .*--lr/));
});

test("fp16 trains, or the error names bf16 where the engine has no fp16 convolution", () => {
  try {
    withTrainer({ precision: "fp16" }, (trainer) => take(trainer, 0, 2));
  } catch (error) {
    inputError(/^precision: .*no fp16 convolution on cpu: use bf16/)(error);
  }
});

const IDLE: Record<string, { recipe: RecipeInput; message: RegExp }> = {
  "linear scaling at the reference batch": {
    recipe: { linearScaling: { referenceBatch: BATCH } },
    message: /^linear-scaling was asked for and changed nothing: .*reference batch, 8/,
  },
  "no bias decay where nothing decays": {
    recipe: { noBiasDecay: true, weightDecay: 0 },
    message: /^no-bias-decay was asked for .*weight decay is 0/,
  },
  "a cosine over a single step": {
    recipe: { schedule: { type: "cosine" }, epochs: 1, batchSize: BATCH * STEPS_PER_EPOCH },
    message: /^cosine was asked for/,
  },
  "label smoothing by 0": {
    recipe: { labelSmoothing: { epsilon: 0 } },
    message: /^label-smoothing was asked for .*epsilon is 0/,
  },
  "mixup of single images": {
    recipe: { mixup: {}, accumulation: BATCH },
    message: /^mixup was asked for .*no partner/,
  },
};

for (const [name, { recipe, message }] of Object.entries(IDLE)) {
  test(`${name} is an error`, () => {
    withTrainer(recipe, (trainer) => assert.throws(() => audit(trainer, "run"), inputError(message)));
  });
}

test("the audit counts what each trick touched, as counted by hand for ResNet-18", () => {
  withTeacher((teacher) =>
    withTrainer({ ...everyTrick(teacher), model: "resnet18_small", modelOptions: { width: 16 } }, (trainer) => {
      const { parameters, tricks, stepsPerEpoch, peakLr } = audit(trainer, "run");
      const stages = [16, 32, 64, 128];
      const weights = [
        3 * 16 * 9, // the stem
        ...stages.map((width, i) =>
          i === 0 ? 4 * width * width * 9 : ((width * width) / 2) * 9 + 3 * width * width * 9,
        ),
        ...stages.slice(1).map((width) => (width * width) / 2), // the shortcuts
        128 * CLASSES + CLASSES,
        2 * (16 + stages.reduce((sum, width) => sum + 4 * width, 0) + 32 + 64 + 128), // BN
      ];
      assert.equal(
        parameters,
        weights.reduce((a, b) => a + b, 0),
      );
      assert.deepEqual([stepsPerEpoch, peakLr], [STEPS_PER_EPOCH, (0.001 * BATCH) / 256]);
      assert.ok(tricks.every(({ trick, asked }) => asked === (trick !== "model-tweaks")));
      assert.deepEqual(Object.fromEntries(tricks.map(({ trick, touched }) => [trick, touched])), {
        "linear-scaling": 40, // steps
        warmup: 4,
        "zero-gamma": 8, // one a block
        "no-bias-decay": 41, // 20 gammas, 20 betas, one bias
        "low-precision": 22, // 20 convolutions, the last layer's weight and bias
        "model-tweaks": 0,
        cosine: 35, // of 36 steps after the warmup all but the first
        "label-smoothing": CLASSES,
        distillation: 1,
        mixup: BATCH,
        ema: 122, // 62 parameters, three statistics of each of 20 BNs
      });
      const detail = (name: string) => tricks.find(({ trick }) => trick === name)?.detail ?? "";
      assert.match(detail("no-bias-decay"), /on 21 weights, none on 41 /);
      assert.match(
        detail("low-precision"),
        /20 Conv2d bfloat16, 1 Linear bfloat16, 20 BatchNorm2d float32; 22 fp32 masters/,
      );
      assert.match(detail("model-tweaks"), /ResNet-B: stem one 3x3, shortcut 1x1 of stride 2/);
    }),
  );
});

test("tricks that are off touch nothing", () => {
  withTrainer({}, (trainer) => {
    const { tricks } = audit(trainer, "run");
    assert.deepEqual(
      tricks.filter(({ asked }) => asked).map(({ trick }) => trick),
      ["model-tweaks"],
    );
    assert.ok(tricks.every(({ asked, touched }) => asked || touched === 0));
  });
});
