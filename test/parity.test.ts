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
import { addon } from "../src/native/addon.js";
import { decodeSafetensors, encodeSafetensors, type RawTensor } from "../src/nn/safetensors.js";
import { fromRawTensor, rawTensor } from "../src/nn/state-dict.js";
import { Generator } from "../src/tensor/generator.js";
import { randomPermutation } from "../src/tensor/ops.js";
import { randomFor, seedFor } from "../src/tensor/random.js";
import { scope } from "../src/tensor/scope.js";
import { Tensor } from "../src/tensor/tensor.js";
import { saveCheckpoint } from "../src/training/checkpoint.js";
import { parseRecipe, type Recipe, type RecipeInput } from "../src/training/recipe.js";
import { Trainer } from "../src/training/trainer.js";
import { drawMixup } from "../src/tricks/mixup.js";
import { runPython } from "./oracle.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

const STEPS = 20;
const STEPS_PER_EPOCH = 4;
const CLASSES = 10;

interface Network {
  readonly model: string;
  /** knack's ResNetOptions for `model`, as test/python/resnet_reference.py takes them. */
  readonly reference: { depth: 18 | 50; variant: "b" | "d"; small: boolean; width: number };
  readonly batchSize: number;
  readonly side: number;
}

/** The decay is far above the paper's, so that in 20 steps it is seen what it is applied to. */
const baseline: RecipeInput = {
  epochs: STEPS / STEPS_PER_EPOCH,
  lr: 0.02,
  weightDecay: 0.02,
  schedule: { type: "step", milestones: [2, 4], factor: 0.1 },
  seed: 1,
};

const ALONE: Readonly<Record<string, RecipeInput>> = {
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
};

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

const EVERY_TRICK: Readonly<Record<string, RecipeInput>> = { baseline: {}, ...ALONE, "everything together": TOGETHER };

const TEACHER = { model: "resnet18_small", reference: { depth: 18, variant: "b", small: true, width: 8 } } as const;

const small = { small: true, width: Number(process.env.W ?? 16) } as const;

compare("ResNet-18-B, small form, narrow", EVERY_TRICK, {
  model: "resnet18_small",
  reference: { depth: 18, variant: "b", ...small },
  batchSize: 16,
  side: 16,
});

compare("ResNet-50-D, small form, narrow", EVERY_TRICK, {
  model: "resnet50d_small",
  reference: { depth: 50, variant: "d", ...small },
  batchSize: 16,
  side: 16,
});

/** Trains every case on both sides, then compares each in a subtest of its own. */
function compare(title: string, cases: Readonly<Record<string, RecipeInput>>, network: Network): void {
  test(title, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "knack-parity-"));
    try {
      const data = randomData(network);
      const teacher = saveTeacher(folder, network, data);
      const initial = train(recipeOf(network, {}), data, 0).weights;
      writeFileSync(join(folder, "initial.safetensors"), encodeSafetensors(initial));
      const trajectories = new Map<string, Trajectory>();
      let time = performance.now();
      for (const [name, tricks] of Object.entries(cases)) {
        const recipe = recipeOf(network, tricks, teacher.path);
        writeCase(join(folder, name), network, recipe, data, teacher.weights);
        trajectories.set(name, train(recipe, data));
        console.log(name, performance.now() - time);
        time = performance.now();
      }
      runPython("trajectory.py", folder);
      console.log("python", performance.now() - time);
      for (const [name, trajectory] of trajectories) {
        const file = join(folder, `${name}.out.safetensors`);
        await t.test(name, () => agree(trajectory, decodeSafetensors(readFileSync(file), file).tensors));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

interface Trajectory {
  readonly losses: readonly number[];
  readonly weights: ReadonlyMap<string, RawTensor>;
}

/** What test/python/trajectory.py agrees to in `actual`, which is knack's. */
function agree({ losses, weights }: Trajectory, theirs: ReadonlyMap<string, RawTensor>): void {
  const expected = numbers(theirs.get("losses"));
  let worst = 0;
  for (const [step, loss] of losses.entries()) {
    worst = Math.max(worst, Math.abs(loss / (expected[step] ?? Number.NaN) - 1));
  }
  let worstWeight = 0;
  let worstName = "";
  for (const [name, raw] of weights) {
    const [ours, other] = [numbers(raw), numbers(theirs.get(name))];
    const reach = largest(other);
    const off = largest(ours.map((value, i) => value - (other[i] ?? Number.NaN))) / (reach || 1);
    if (!(off <= worstWeight)) [worstWeight, worstName] = [off, name];
  }
  console.log(worst.toExponential(2), worstWeight.toExponential(2), worstName, losses.map((l) => l.toFixed(4)).join(" "));
  assert.ok(worst < 1e-4);
}

function recipeOf({ model, batchSize, reference: { width } }: Network, tricks: RecipeInput, teacher?: string): Recipe {
  const common = { ...baseline, model, batchSize, modelOptions: { width } };
  const { distillation } = tricks;
  return parseRecipe({ ...common, ...tricks, ...(distillation && { distillation: { ...distillation, teacher } }) }, "test");
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

function train(recipe: Recipe, data: DataSource, steps = STEPS): Trajectory {
  const trainer = new Trainer(recipe, data, "cpu");
  try {
    const losses = Array.from({ length: steps }, (_, step) => trainer.step(batchOf(data.train, recipe, step), step).loss);
    return { losses, weights: trainer.weights() };
  } finally {
    trainer.dispose();
  }
}

function batchOf({ pixels, labels, count }: ImageSet, { batchSize }: Recipe, step: number) {
  const index = step % STEPS_PER_EPOCH;
  const bytes = (pixels.length / count) * batchSize;
  return {
    pixels: pixels.subarray(index * bytes, (index + 1) * bytes),
    labels: labels.subarray(index * batchSize, (index + 1) * batchSize),
    size: batchSize,
    index,
  };
}

function writeCase(
  stem: string,
  { reference }: Network,
  recipe: Recipe,
  { train }: DataSource,
  teacher: ReadonlyMap<string, RawTensor>,
): void {
  const { batchSize, accumulation, mixup } = recipe;
  const shape = { classes: CLASSES, inChannels: train.channels };
  const tensors = new Map<string, RawTensor>([
    ["pixels", raw(train.pixels, [STEPS_PER_EPOCH, batchSize, train.height, train.width, train.channels])],
    ["labels", raw(BigInt64Array.from(train.labels, BigInt), [STEPS_PER_EPOCH, batchSize])],
  ]);
  if (mixup) {
    const parts = Array.from({ length: STEPS * accumulation }, (_, i) =>
      seedFor(recipe.seed, "mixup", Math.floor(i / accumulation), i % accumulation),
    );
    const lambdas = parts.map((seed) => drawMixup(mixup, seed).lambda);
    const size = batchSize / accumulation;
    const orders = parts.flatMap((seed) => scope(() => randomPermutation(size, new Generator(seed)).toArray()));
    tensors.set("lambda", raw(Float64Array.from(lambdas), [STEPS, accumulation]));
    tensors.set("order", raw(BigInt64Array.from(orders, BigInt), [STEPS, accumulation, size]));
  }
  if (recipe.distillation) for (const [name, tensor] of teacher) tensors.set(`teacher/${name}`, tensor);
  writeFileSync(`${stem}.safetensors`, encodeSafetensors(tensors));
  const settings = {
    network: { ...reference, ...shape },
    recipe,
    data: { mean: train.mean, std: train.std, steps: STEPS, stepsPerEpoch: STEPS_PER_EPOCH },
    teacher: { ...TEACHER.reference, ...shape },
  };
  writeFileSync(`${stem}.json`, JSON.stringify(settings));
}

/** A checkpoint of a smaller network that has been trained a little, from another seed. */
function saveTeacher(folder: string, network: Network, data: DataSource) {
  const { width } = TEACHER.reference;
  const recipe = { ...recipeOf(network, {}), model: TEACHER.model, modelOptions: { width }, seed: 2 };
  const { weights } = train(recipe, data);
  const { channels, height, mean, std, classes } = data.train;
  const path = join(folder, "teacher");
  saveCheckpoint(path, {
    weights,
    config: {
      architecture: TEACHER.model,
      num_classes: CLASSES,
      in_chans: channels,
      input_size: [channels, height, data.train.width],
      mean: [...mean],
      std: [...std],
      label_names: [...classes],
      model_options: { width },
    },
  });
  return { path, weights };
}

function raw(data: Uint8Array | BigInt64Array | Float64Array, shape: readonly number[]): RawTensor {
  return scope(() => rawTensor(Tensor.from(data, shape)));
}

function numbers(tensor: RawTensor | undefined): number[] {
  assert.ok(tensor, "PyTorch did not return this tensor");
  return scope(() => fromRawTensor(tensor).toArray());
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
