import { MODELS } from "../../models/registry.js";
import { paperSettings } from "../../recipe/presets.js";
import { parseRecipe, type Recipe } from "../../recipe/recipe.js";
import { paperDecay, paperWarmup } from "./epochs.js";

export type TrickName =
  | "linear scaling"
  | "warmup"
  | "zero gamma"
  | "no bias decay"
  | "low precision"
  | "model tweaks"
  | "cosine"
  | "label smoothing"
  | "distillation"
  | "mixup";

/** A trick of the paper as a switch of a recipe. */
export interface Trick {
  readonly name: TrickName;
  isOn(recipe: Recipe): boolean;
  /** @param settings a recipe whose settings of the trick are taken where it has it on; else the paper's are */
  on(recipe: Recipe, settings: Recipe): Recipe;
  off(recipe: Recipe): Recipe;
  /** Why the trick would change nothing in this recipe; undefined where it would. */
  idle?(recipe: Recipe, settings: Recipe): string | undefined;
}

const linearScaling: Trick = {
  name: "linear scaling",
  isOn: ({ linearScaling }) => linearScaling !== false,
  on: (recipe, settings) => ({ ...recipe, linearScaling: settings.linearScaling || paperSettings.linearScaling }),
  off: (recipe) => ({ ...recipe, linearScaling: false }),
  idle: ({ batchSize }, settings) => {
    const { referenceBatch } = settings.linearScaling || paperSettings.linearScaling;
    return batchSize === referenceBatch ? `at a batch of ${batchSize} its factor is 1` : undefined;
  },
};

const warmup: Trick = {
  name: "warmup",
  isOn: ({ warmup }) => warmup !== false,
  on: (recipe, settings) => ({ ...recipe, warmup: settings.warmup || paperWarmup(recipe.epochs) }),
  off: (recipe) => ({ ...recipe, warmup: false }),
};

const zeroGamma: Trick = {
  name: "zero gamma",
  isOn: ({ zeroGamma }) => zeroGamma,
  on: (recipe) => ({ ...recipe, zeroGamma: true }),
  off: (recipe) => ({ ...recipe, zeroGamma: false }),
  idle: ({ model }) => (MODELS.get(model)?.residual ? undefined : `${model} has no residual block`),
};

const noBiasDecay: Trick = {
  name: "no bias decay",
  isOn: ({ noBiasDecay }) => noBiasDecay,
  on: (recipe) => ({ ...recipe, noBiasDecay: true }),
  off: (recipe) => ({ ...recipe, noBiasDecay: false }),
  idle: ({ weightDecay }) => (weightDecay === 0 ? "the weight decay is 0" : undefined),
};

const lowPrecision: Trick = {
  name: "low precision",
  isOn: ({ precision }) => precision !== "fp32",
  on: (recipe, settings) => {
    const { precision, lossScale } = settings.precision === "fp32" ? presetsPrecision(recipe) : settings;
    return { ...recipe, precision, lossScale };
  },
  off: (recipe) => parseRecipe({ precision: "fp32" }, "low precision off", recipe),
};

/** bf16, as in the preset `efficient`. */
function presetsPrecision(recipe: Recipe): Recipe {
  return parseRecipe({ precision: "bf16" }, "low precision", recipe);
}

const modelTweaks: Trick = {
  name: "model tweaks",
  isOn: ({ model }) => MODELS.get(model)?.tweaks?.changed === true,
  on: (recipe) => ({ ...recipe, model: MODELS.get(recipe.model)?.tweaks?.names.d ?? recipe.model }),
  off: (recipe) => ({ ...recipe, model: MODELS.get(recipe.model)?.tweaks?.names.v1 ?? recipe.model }),
  idle: ({ model }) => (MODELS.get(model)?.tweaks ? undefined : `${model} is none of ImageNet's ResNets`),
};

const cosine: Trick = {
  name: "cosine",
  isOn: ({ schedule }) => schedule.type === "cosine",
  on: (recipe) => ({ ...recipe, schedule: { type: "cosine" } }),
  off: (recipe) => (recipe.schedule.type === "step" ? recipe : { ...recipe, schedule: paperDecay(recipe.epochs) }),
};

const labelSmoothing: Trick = {
  name: "label smoothing",
  isOn: ({ labelSmoothing }) => labelSmoothing !== false,
  on: (recipe, settings) => ({ ...recipe, labelSmoothing: settings.labelSmoothing || paperSettings.labelSmoothing }),
  off: (recipe) => ({ ...recipe, labelSmoothing: false }),
};

const distillation: Trick = {
  name: "distillation",
  isOn: ({ distillation }) => distillation !== false,
  on: (recipe, settings) => ({ ...recipe, distillation: settings.distillation || paperSettings.distillation }),
  off: (recipe) => ({ ...recipe, distillation: false }),
};

const mixup: Trick = {
  name: "mixup",
  isOn: ({ mixup }) => mixup !== false,
  on: (recipe, settings) => ({ ...recipe, mixup: settings.mixup || paperSettings.mixup }),
  off: (recipe) => ({ ...recipe, mixup: false }),
};

/** The paper's bag, in its order. */
export const TRICKS = {
  linearScaling,
  warmup,
  zeroGamma,
  noBiasDecay,
  lowPrecision,
  modelTweaks,
  cosine,
  labelSmoothing,
  distillation,
  mixup,
} as const satisfies Readonly<Record<string, Trick>>;

/** The recipe without these tricks. */
export function withoutTricks(recipe: Recipe, tricks: readonly Trick[]): Recipe {
  return tricks.reduce((stripped, trick) => trick.off(stripped), recipe);
}
