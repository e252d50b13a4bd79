import { augmentationDefaults } from "../data/augment/index.js";
import type { Recipe } from "./recipe.js";

/** The paper's setting of every part that has settings of its own. A recipe that names a part without its keys gets these. */
export const paperSettings = {
  linearScaling: { referenceBatch: 256 },
  warmup: { epochs: 5 },
  labelSmoothing: { epsilon: 0.1, spread: "others" },
  distillation: { teacher: null, temperature: 20, loss: "cross-entropy", hardWeight: 1, softWeight: 1 },
  mixup: { alpha: 0.2, pairing: "permute" },
  /** Not in the paper: transfer learning. */
  init: { weights: null },
  /** Not in the paper: ends a run that no longer gets better. */
  earlyStop: { patience: 10 },
  /** Not in the paper: the averaging that libraries offer beside it, with their usual decay. */
  ema: { decay: 0.9999 },
} as const satisfies Partial<Recipe>;

/** Section 2.1. */
export const paperStepDecay = {
  type: "step",
  milestones: [30, 60, 90],
  factor: 0.1,
} satisfies Recipe["schedule"];

/**
 * Section 2, Algorithm 1: Nesterov SGD, batch 256, 120 epochs, lr 0.1 divided by 10 at the epochs 30, 60, 90, no tricks.
 *
 * Small images are cropped after padding by 4 pixels, their standard; photographs are cropped, coloured and lit as the paper's.
 */
const baseline: Recipe = {
  name: "baseline",
  model: "resnet50_v1",
  modelOptions: {},
  epochs: 120,
  batchSize: 256,
  accumulation: 1,
  lr: 0.1,
  momentum: 0.9,
  nesterov: true,
  weightDecay: 1e-4,
  schedule: paperStepDecay,
  linearScaling: false,
  warmup: false,
  zeroGamma: false,
  noBiasDecay: false,
  precision: "fp32",
  lossScale: "none",
  labelSmoothing: false,
  distillation: false,
  mixup: false,
  ema: false,
  imageSize: null,
  normalize: null,
  augmentation: augmentationDefaults,
  onBadImage: "skip",
  classBalance: "none",
  init: false,
  freezeEpochs: 0,
  backboneLr: 1,
  earlyStop: false,
  seed: 0,
};

/**
 * Section 3: batch 1024 with linear scaling, warmup, zero gamma, no bias decay and low precision.
 *
 * Low precision is bf16, which a CPU has too; the paper's fp16 can be asked for on a GPU.
 */
const efficient: Recipe = {
  ...baseline,
  name: "efficient",
  batchSize: 1024,
  linearScaling: paperSettings.linearScaling,
  warmup: paperSettings.warmup,
  zeroGamma: true,
  noBiasDecay: true,
  precision: "bf16",
};

/** Sections 3, 4 and 5: everything. Its teacher has to be given. Mixup needs the longer training, 200 epochs (section 5.4). */
const bagOfTricks: Recipe = {
  ...efficient,
  name: "bag-of-tricks",
  model: "resnet50d",
  epochs: 200,
  schedule: { type: "cosine" },
  labelSmoothing: paperSettings.labelSmoothing,
  distillation: paperSettings.distillation,
  mixup: paperSettings.mixup,
};

/**
 * Not in the paper: from trained weights to a few hundred photographs; its weights have to be given. Cosine, warmup, no bias decay and the paper's
 * augmentation, but neither label smoothing nor mixup: docs/results.md has what each is worth, with three seeds.
 */
const fineTune: Recipe = {
  ...baseline,
  name: "fine-tune",
  model: "resnet50d",
  init: paperSettings.init,
  epochs: 16,
  batchSize: 32,
  lr: 0.01,
  schedule: { type: "cosine" },
  warmup: { epochs: 1 },
  noBiasDecay: true,
};

export type PresetName = "baseline" | "efficient" | "bag-of-tricks" | "fine-tune";

/** The named recipes. To start from one, spread it in a TypeScript recipe or write `"extends": "efficient"` in a JSON one. */
export const presets: Readonly<Record<PresetName, Recipe>> = {
  baseline,
  efficient,
  "bag-of-tricks": bagOfTricks,
  "fine-tune": fineTune,
};

export function isPresetName(name: unknown): name is PresetName {
  return typeof name === "string" && Object.hasOwn(presets, name);
}
