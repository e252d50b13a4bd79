/**
 * 20 optimizer steps of knack and of plain PyTorch (test/python/trajectory.py) from the same weights, on the same batches:
 * the loss of every step and the final weights agree, for each trick alone and for all together.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { DataSource, ImageSet } from "../src/data/image-set.js";
import type { Batch } from "../src/data/loader.js";
import { addon } from "../src/native/addon.js";
import { decodeSafetensors, encodeSafetensors, type RawTensor } from "../src/nn/safetensors.js";
import { fromRawTensor, rawTensor } from "../src/nn/state-dict.js";
import { Generator } from "../src/tensor/generator.js";
import { full, randomPermutation } from "../src/tensor/ops.js";
import { randomFor, seedFor } from "../src/tensor/random.js";
import { scope } from "../src/tensor/scope.js";
import { Tensor } from "../src/tensor/tensor.js";
import { saveCheckpoint } from "../src/training/checkpoint.js";
import { parseRecipe, type Recipe, type RecipeInput } from "../src/training/recipe.js";
import { type StepResult, Trainer } from "../src/training/trainer.js";
import { drawMixup } from "../src/tricks/mixup.js";
import { runPython } from "./oracle.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const STEPS = 20;
const STEPS_PER_EPOCH = 4;
const CLASSES = 10;

/** Relative, of every loss. */
const LOSS_TOLERANCE = 1e-4;
/** Of the final weights, as `apart` measures it. */
const WEIGHTS_TOLERANCE = 1e-3;

type Weights = ReadonlyMap<string, RawTensor>;

interface Network {
  readonly model: string;
  /** What test/python/resnet_reference.py takes for `model`. */
  readonly reference: { depth: 18 | 50; variant: "b" | "d"; small: boolean; width: number };
  readonly batchSize: number;
  /** Of an image, in pixels. */
  readonly side: number;
}

/** The decay is far above the paper's, so that 20 steps show what it is applied to. */
const BASELINE: RecipeInput = {
  epochs: STEPS / STEPS_PER_EPOCH,
  lr: 5e-4,
  weightDecay: 0.5,
  schedule: { type: "step", milestones: [2, 4], factor: 0.1 },
  seed: 1,
};

const ALONE = {
  "linear scaling": { linearScaling: { referenceBatch: 8 } },
  warmup: { warmup: { epochs: 1.5 } },
  "zero gamma": { zeroGamma: true },
  "no bias decay": { noBiasDecay: true },
  "low precision": { precision: "bf16" },
  cosine: { schedule: { type: "cosine" } },
  "label smoothing over the others": { labelSmoothing: { epsilon: 0.1, spread: "others" } },
  "label smoothing over all": { labelSmoothing: { epsilon: 0.1, spread: "all" } },
  "distillation by cross-entropy": { distillation: { temperature: 20, loss: "cross-entropy" } },
  "distillation by KL": { distillation: { temperature: 4, loss: "kl", hardWeight: 0.5, softWeight: 0.7 } },
  "mixup, permuted": { mixup: { alpha: 0.2, pairing: "permute" } },
  "mixup, reversed": { mixup: { alpha: 0.2, pairing: "reverse" } },
  "mixup, rolled": { mixup: { alpha: 0.2, pairing: "roll" } },
  "averaged weights": { ema: { decay: 0.9 } },
  "gradient accumulation": { accumulation: 2 },
} as const satisfies Record<string, RecipeInput>;

const TOGETHER: RecipeInput = {
  ...ALONE["linear scaling"],
  ...ALONE.warmup,
  ...ALONE["zero gamma"],
  ...ALONE["no bias decay"],
  ...ALONE["low precision"],
  ...ALONE.cosine,
  ...ALONE["label smoothing over the others"],
  ...ALONE["distillation by cross-entropy"],
  ...ALONE["mixup, permuted"],
  ...ALONE["averaged weights"],
  ...ALONE["gradient accumulation"],
};

const EACH_AND_ALL: Readonly<Record<string, RecipeInput>> = { ...ALONE, "all together": TOGETHER };
const ONLY_ALL: Readonly<Record<string, RecipeInput>> = { "all together": TOGETHER };

const TEACHER = { model: "resnet18_small", reference: { depth: 18, variant: "b", small: true, width: 8 } } as const;

const narrow = { small: true, width: 8 } as const;
const full64 = { small: false, width: 64 } as const;

compare("ResNet-18-B, small form, narrow", EACH_AND_ALL, {
  model: "resnet18_small",
  reference: { depth: 18, variant: "b", ...narrow },
  batchSize: 16,
  side: 16,
});

compare("ResNet-50-D, small form, narrow", EACH_AND_ALL, {
  model: "resnet50d_small",
  reference: { depth: 50, variant: "d", ...narrow },
  batchSize: 16,
  side: 16,
});

compare("ResNet-18-B, full size", ONLY_ALL, {
  model: "resnet18",
  reference: { depth: 18, variant: "b", ...full64 },
  batchSize: 4,
  side: 64,
});

compare("ResNet-50-D, full size", ONLY_ALL, {
  model: "resnet50d",
  reference: { depth: 50, variant: "d", ...full64 },
  batchSize: 4,
  side: 64,
});

/** The baseline and every case trained on both sides; then each case is compared in a subtest of its own. */
function compare(title: string, cases: Readonly<Record<string, RecipeInput>>, network: Network): void {
  test(title, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "knack-parity-"));
    try {
      const data = randomData(network);
      const teacher = saveTeacher(folder, network, data);
      const initial = calmWeights(recipeOf(network, {}), data);
      writeFileSync(join(folder, "initial.safetensors"), encodeSafetensors(initial));
      const train = (name: string, tricks: RecipeInput) => {
        const recipe = recipeOf(network, tricks, teacher.path);
        writeCase(join(folder, name), network, recipe, data, teacher.weights);
        return trajectory(recipe, data, initial);
      };
      const baseline = train("baseline", {});
      const withTricks = Object.entries(cases).map(([name, tricks]) => [name, train(name, tricks)] as const);
      runPython("trajectory.py", folder);
      for (const [name, ours] of [["baseline", baseline] as const, ...withTricks]) {
        await t.test(name, () => {
          const file = join(folder, `${name}.out.safetensors`);
          assertSame(ours, decodeSafetensors(readFileSync(file), file).tensors, initial);
          if (ours === baseline) return;
          const effect = apart(ours.weights, baseline.weights, initial);
          console.log("effect", effect);
          assert.ok(effect > 10 * WEIGHTS_TOLERANCE, "the trick changes too little for this test to see it");
        });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

interface Trajectory {
  readonly steps: readonly StepResult[];
  readonly weights: Weights;
}

function trajectory(recipe: Recipe, data: DataSource, initial: Weights): Trajectory {
  const trainer = new Trainer(recipe, data, "cpu");
  try {
    // The zero-gamma trick has made its own start, from the same seed.
    if (!recipe.zeroGamma) startFrom(trainer, initial);
    const steps = Array.from({ length: STEPS }, (_, step) => trainer.step(batchOf(data.train, recipe, step), step));
    return { steps, weights: trainer.weights() };
  } finally {
    trainer.dispose();
  }
}

function assertSame({ steps, weights }: Trajectory, theirs: Weights, initial: Weights): void {
  const losses = numbers(theirs.get("losses"));
  let worst = 0;
  for (const [step, { loss, labelLoss }] of steps.entries()) {
    for (const [kind, ours] of [loss, labelLoss].entries()) {
      const expected = losses[2 * step + kind] ?? Number.NaN;
      const difference = Math.abs(ours / expected - 1);
      worst = Math.max(worst, difference);
      const what = kind === 0 ? "loss" : "loss against the labels";
      assert.ok(difference < LOSS_TOLERANCE, `step ${step}: the ${what} is ${ours}, PyTorch's ${expected}`);
    }
  }
  const distance = apart(weights, theirs, initial);
  console.log(worst.toExponential(1), distance.toExponential(1), steps[0]?.loss, steps.at(-1)?.loss);
  assert.ok(distance < WEIGHTS_TOLERANCE, `the final weights are ${distance} of the way apart`);
}

/**
 * How far two ends of training are from each other, as a fraction of the way that `b` came from the beginning: the larger one
 * of that of the parameters and that of BN's statistics.
 */
function apart(a: Weights, b: Weights, initial: Weights): number {
  const isStatistic = (name: string) => name.includes("running_");
  const fractions = [true, false].map((statistics) => {
    const names = [...initial.keys()].filter((name) => isStatistic(name) === statistics && !name.endsWith("_tracked"));
    return distance(names, a, b) / distance(names, initial, b);
  });
  return Math.max(...fractions);
}

function distance(names: readonly string[], a: Weights, b: Weights): number {
  const squares = names.map((name) => {
    const other = numbers(b.get(name));
    return numbers(a.get(name)).reduce((sum, value, i) => sum + (value - (other[i] ?? Number.NaN)) ** 2, 0);
  });
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
}

/**
 * Xavier's weights with small gammas at the end of each block. With gamma 1 a difference in the last bit grows over 50 layers
 * and 20 steps to 10 % of the loss, whatever the lr: PyTorch then disagrees that much with itself in NCHW and NHWC memory.
 */
function calmWeights(recipe: Recipe, data: DataSource): Weights {
  const trainer = new Trainer({ ...recipe, zeroGamma: true }, data, "cpu");
  try {
    const weights = trainer.weights();
    for (const name of trainer.zeroedGammas) {
      const shape = weights.get(name)?.shape ?? [];
      weights.set(
        name,
        scope(() => rawTensor(full(shape, 0.05))),
      );
    }
    return weights;
  } finally {
    trainer.dispose();
  }
}

/** Replaces the averaged weights too. */
function startFrom(trainer: Trainer, initial: Weights): void {
  const { tensors, counters } = trainer.trainingState();
  for (const name of tensors.keys()) {
    const own = initial.get(name.replace(/^weights\./, ""));
    if (own) tensors.set(name, own);
  }
  trainer.restore(initial, tensors, counters);
}

function recipeOf({ model, batchSize, reference }: Network, tricks: RecipeInput, teacher?: string): Recipe {
  const { distillation } = tricks;
  return parseRecipe(
    {
      ...BASELINE,
      model,
      modelOptions: { width: reference.width },
      batchSize,
      ...tricks,
      ...(distillation && { distillation: { ...distillation, teacher } }),
    },
    "the test's recipe",
  );
}

function randomData({ batchSize, side }: Network): DataSource {
  const random = randomFor(0, "parity");
  const count = batchSize * STEPS_PER_EPOCH;
  const set: ImageSet = {
    name: "random",
    pixels: Uint8Array.from({ length: count * side * side * 3 }, () => random.integer(256)),
    labels: Int32Array.from({ length: count }, () => random.integer(CLASSES)),
    count,
    height: side,
    width: side,
    channels: 3,
    classes: Array.from({ length: CLASSES }, (_, label) => String(label)),
    mean: [0.5, 0.45, 0.55],
    std: [0.3, 0.25, 0.28],
  };
  return { train: set, validation: set, description: "random" };
}

function batchOf({ pixels, labels, count }: ImageSet, { batchSize }: Recipe, step: number): Batch {
  const index = step % STEPS_PER_EPOCH;
  const bytes = (pixels.length / count) * batchSize;
  return {
    pixels: pixels.subarray(index * bytes, (index + 1) * bytes),
    labels: labels.subarray(index * batchSize, (index + 1) * batchSize),
    size: batchSize,
    index,
  };
}

/** A checkpoint of a smaller network that has been trained a little, from another seed. */
function saveTeacher(folder: string, network: Network, data: DataSource): { path: string; weights: Weights } {
  const modelOptions = { width: TEACHER.reference.width };
  const recipe = { ...recipeOf(network, {}), model: TEACHER.model, modelOptions, seed: 2 };
  const { weights } = trajectory(recipe, data, calmWeights(recipe, data));
  const { channels, height, width, mean, std, classes } = data.train;
  const path = join(folder, "teacher");
  saveCheckpoint(path, {
    weights,
    config: {
      architecture: TEACHER.model,
      num_classes: CLASSES,
      in_chans: channels,
      input_size: [channels, height, width],
      mean: [...mean],
      std: [...std],
      label_names: [...classes],
      model_options: modelOptions,
    },
  });
  return { path, weights };
}

/** `stem`.json and `stem`.safetensors, as test/python/trajectory.py reads them. */
function writeCase(
  stem: string,
  { reference }: Network,
  recipe: Recipe,
  { train }: DataSource,
  teacher: Weights,
): void {
  const { batchSize, accumulation, mixup, distillation } = recipe;
  const { channels, height, width, mean, std } = train;
  const tensors = new Map<string, RawTensor>([
    ["pixels", raw(train.pixels, [STEPS_PER_EPOCH, batchSize, height, width, channels])],
    ["labels", raw(BigInt64Array.from(train.labels, BigInt), [STEPS_PER_EPOCH, batchSize])],
  ]);
  if (mixup) {
    const size = batchSize / accumulation;
    const draws = Array.from({ length: STEPS * accumulation }, (_, part) =>
      drawMixup(mixup, seedFor(recipe.seed, "mixup", Math.floor(part / accumulation), part % accumulation)),
    );
    const lambdas = Float64Array.from(draws, ({ lambda }) => lambda);
    const orders = draws.flatMap(({ seed }) =>
      scope(() => {
        using generator = new Generator(seed);
        return randomPermutation(size, generator).toArray();
      }),
    );
    tensors.set("lambda", raw(lambdas, [STEPS, accumulation]));
    tensors.set("order", raw(BigInt64Array.from(orders, BigInt), [STEPS, accumulation, size]));
  }
  if (distillation) for (const [name, tensor] of teacher) tensors.set(`teacher/${name}`, tensor);
  writeFileSync(`${stem}.safetensors`, encodeSafetensors(tensors));

  const shape = { classes: CLASSES, inChannels: channels };
  const settings = {
    network: { ...reference, ...shape },
    teacher: { ...TEACHER.reference, ...shape },
    recipe,
    data: { mean, std, steps: STEPS, stepsPerEpoch: STEPS_PER_EPOCH },
  };
  writeFileSync(`${stem}.json`, JSON.stringify(settings));
}

function raw(data: Uint8Array | BigInt64Array | Float64Array, shape: readonly number[]): RawTensor {
  return scope(() => rawTensor(Tensor.from(data, shape)));
}

function numbers(tensor: RawTensor | undefined): number[] {
  assert.ok(tensor, "PyTorch did not return this tensor");
  return scope(() => fromRawTensor(tensor).toArray());
}
