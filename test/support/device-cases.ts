/** Small trainings that between them take every trick that computes, to compare what devices make of the same recipe. */
import { join } from "node:path";
import { DEFAULT_ENGINE, type EngineChoice } from "../../src/engine/engine-name.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { Recipe, RecipeInput } from "../../src/recipe/recipe.js";
import { checkpointConfig } from "../../src/run/checkpoint-config.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import type { Evaluation } from "../../src/training/evaluate.js";
import { type StepResult, Trainer } from "../../src/training/trainer.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { batchOf, randomData } from "./random-data.js";

export const PLAIN: EngineChoice = { ...DEFAULT_ENGINE, engine: "plain" };

export const TINY: RecipeInput = {
  model: "resnet18d_small",
  modelOptions: { width: 4 },
  epochs: 2,
  batchSize: 8,
  lr: 0.01,
  seed: 1,
};

const IN_FULL_PRECISION: RecipeInput = {
  linearScaling: { referenceBatch: 8 },
  warmup: { epochs: 1.5 },
  zeroGamma: true,
  noBiasDecay: true,
  schedule: { type: "cosine" },
  labelSmoothing: { epsilon: 0.1, spread: "others" },
  distillation: { temperature: 16, loss: "cross-entropy" },
  mixup: { alpha: 0.2, pairing: "permute" },
  ema: { decay: 0.9 },
  accumulation: 2,
};

export const OVERFLOWING = "a loss scale that overflows";

export interface DeviceCase {
  readonly recipe: RecipeInput;
  /** Of its images, in pixels; 16 by default. */
  readonly side?: number;
  /** What the CPU computes in its place, which has no fp16. */
  readonly onCpu?: Partial<Recipe>;
  /** It draws on the device, where every kind of device has random numbers of its own. */
  readonly drawsOnDevice?: boolean;
}

export const DEVICE_CASES: Readonly<Record<string, DeviceCase>> = {
  baseline: { recipe: {} },
  "every trick": { recipe: { ...IN_FULL_PRECISION, precision: "bf16", lossScale: "dynamic" } },
  "every trick in fp32": { recipe: IN_FULL_PRECISION },
  "fp16 with a loss scale": {
    recipe: { precision: "fp16", lossScale: 128 },
    onCpu: { precision: "fp32", lossScale: "none" },
  },
  "mixup by reversing": { recipe: { mixup: { alpha: 0.2, pairing: "reverse" } } },
  "mixup by rolling": { recipe: { mixup: { alpha: 0.2, pairing: "roll" }, labelSmoothing: { spread: "all" } } },
  "cutmix, distillation by divergence": {
    recipe: { cutmix: { alpha: 1 }, distillation: { temperature: 2, loss: "kl" } },
  },
  "class weights, no Nesterov": { recipe: { classBalance: "weights", nesterov: false } },
  [OVERFLOWING]: { recipe: { lossScale: 2 ** 126 } },
  "a frozen backbone": { recipe: { init: { weights: "elsewhere" }, freezeEpochs: 1, backboneLr: 0.1 } },
  MobileNet: { side: 32, recipe: { model: "mobilenetv1_025", modelOptions: {} } },
  "Inception-V3 with auxiliary classifier and dropout": {
    side: 299,
    recipe: { model: "inception_v3", modelOptions: { aux_logits: true }, batchSize: 2 },
    drawsOnDevice: true,
  },
};

/** @param folder where a teacher that the recipe asks for is saved */
export function recipeOf({ recipe, side = 16 }: DeviceCase, folder: string, seed = 1): Recipe {
  const asked = parseRecipe({ ...TINY, ...recipe, seed }, "the test's recipe");
  const { distillation } = asked;
  return distillation ? { ...asked, distillation: { ...distillation, teacher: saveTeacher(folder, side) } } : asked;
}

function saveTeacher(folder: string, side: number): string {
  const recipe = parseRecipe({ ...TINY, seed: 2 }, "the teacher's recipe");
  const trainer = new Trainer(recipe, randomData(32, side), { device: "cpu", engine: PLAIN });
  const path = join(folder, "teacher");
  const config = checkpointConfig(trainer, { epoch: 0, step: 0, evaluation: null });
  saveCheckpoint(path, { weights: trainer.weights(), config });
  trainer.dispose();
  return path;
}

/** What came of a training, all of it on the CPU. */
export interface Trained {
  readonly steps: readonly StepResult[];
  readonly evaluation: Evaluation;
  readonly skippedSteps: number;
  /** The weights that it began and ended with. */
  readonly before: ReadonlyMap<string, RawTensor>;
  readonly weights: ReadonlyMap<string, RawTensor>;
}

export interface Where {
  readonly device: string;
  readonly engine: EngineChoice;
  /** Runs a part of the training, and may look at what that does. */
  readonly watch?: <T>(part: "step" | "evaluation", run: () => T | Promise<T>) => Promise<T>;
}

/** Batches of the evaluation. */
export const EVALUATED = 3;

/** Three steps and an evaluation. */
export async function trained(
  recipe: Recipe,
  side: number,
  { device, engine, watch = async (_, run) => run() }: Where,
): Promise<Trained> {
  const { batchSize } = recipe;
  const data = randomData(4 * batchSize, side);
  const trainer = new Trainer(recipe, data, { device, engine });
  try {
    const before = trainer.weights();
    trainer.beginEpoch(0);
    const steps: StepResult[] = [];
    for (const step of [0, 1, 2]) {
      steps.push(await watch("step", () => trainer.step(batchOf(data, batchSize, step), step)));
    }
    const { skippedSteps } = trainer.scaler;
    const weights = trainer.weights();
    const images = Array.from({ length: EVALUATED }, (_, index) => batchOf(data, batchSize, index));
    const evaluation = await watch("evaluation", () => trainer.evaluate(inTurn(images)));
    return { steps, evaluation, skippedSteps, before, weights };
  } finally {
    trainer.dispose();
  }
}

async function* inTurn<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}
