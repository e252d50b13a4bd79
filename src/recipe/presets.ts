import { augmentationDefaults } from "../data/augment/index.js";
import { OPTIMIZERS } from "../optim/optimizers/index.js";
import { cosine } from "../tricks/cosine.js";
import { distillation } from "../tricks/distillation.js";
import { TRICKS } from "../tricks/index.js";
import { init } from "../tricks/init.js";
import { labelSmoothing } from "../tricks/label-smoothing.js";
import { linearScaling } from "../tricks/linear-scaling.js";
import { lowPrecision } from "../tricks/low-precision.js";
import { mixup } from "../tricks/mixup.js";
import { noBiasDecay } from "../tricks/no-bias-decay.js";
import { warmup } from "../tricks/warmup.js";
import { zeroGamma } from "../tricks/zero-gamma.js";
import { type PartSettings, PRESET_NAMES, type PresetName, type Recipe } from "./recipe.js";

/** Every trick off, every optimizer as it is by default. */
const plain: PartSettings = Object.assign(
  {},
  ...OPTIMIZERS.map(({ defaults }) => defaults),
  ...TRICKS.map(({ off }) => off),
);

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
  weightDecay: 1e-4,
  imageSize: null,
  resize: null,
  channels: null,
  normalize: null,
  intensity: null,
  onBadImage: "skip",
  maxBadImages: 0.05,
  select: null,
  onDivergence: "stop",
  seed: 0,
  optimizer: "sgd",
  augmentation: augmentationDefaults,
  tricks: [],
  ...plain,
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
  ...linearScaling.paper,
  ...warmup.paper,
  ...zeroGamma.paper,
  ...noBiasDecay.paper,
  ...lowPrecision.paper,
};

/** Sections 3, 4 and 5: everything. Its teacher has to be given. Mixup needs the longer training, 200 epochs (section 5.4). */
const bagOfTricks: Recipe = {
  ...efficient,
  name: "bag-of-tricks",
  model: "resnet50d",
  epochs: 200,
  ...cosine.paper,
  ...labelSmoothing.paper,
  ...distillation.paper,
  ...mixup.paper,
};

/**
 * Not in the paper: from trained weights to a few hundred photographs; its weights have to be given. Cosine, warmup, no bias decay and the paper's
 * augmentation, but neither label smoothing nor mixup: docs/results.md has what each is worth, with three seeds.
 */
const fineTune: Recipe = {
  ...baseline,
  name: "fine-tune",
  model: "resnet50d",
  epochs: 16,
  batchSize: 32,
  lr: 0.01,
  ...init.paper,
  ...cosine.paper,
  warmup: { epochs: 1 },
  ...noBiasDecay.paper,
};

/** The named recipes. To start from one, spread it in a TypeScript recipe or write `"extends": "efficient"` in a JSON one. */
export const presets: Readonly<Record<PresetName, Recipe>> = {
  baseline,
  efficient,
  "bag-of-tricks": bagOfTricks,
  "fine-tune": fineTune,
};

export function isPresetName(name: unknown): name is PresetName {
  return PRESET_NAMES.some((preset) => preset === name);
}
