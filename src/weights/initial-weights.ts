import { statSync } from "node:fs";
import type { ModelOptions } from "../models/entry.js";
import { modelEntry } from "../models/registry.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { loadCheckpoint } from "./checkpoint.js";
import type { CheckpointConfig } from "./config.js";
import { configBeside } from "./config-beside.js";
import { declaredIn, declaredModel } from "./declared.js";
import { fittingModels, modelOfWeights } from "./identify-model.js";
import { readWeights } from "./read-weights.js";

/** Weights that a run starts from (transfer learning). */
export interface InitialWeights {
  readonly path: string;
  readonly weights: ReadonlyMap<string, RawTensor>;
  /** What a checkpoint says about its model, or config.json beside a file; other files of weights say nothing. */
  readonly config: CheckpointConfig | undefined;
  /** What a file says of itself. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How the tensors were found, a line each. */
  readonly notes: readonly string[];
}

/** The model of a run. */
export interface ModelChoice {
  readonly model: string;
  readonly modelOptions: ModelOptions;
}

/**
 * Reads what a run starts from: a checkpoint's or a run's folder, or a file of weights (safetensors, or a PyTorch state dict).
 *
 * @throws InputError where what is there is damaged or of another kind.
 */
export function readInitialWeights(path: string): InitialWeights {
  if (statSync(path).isDirectory()) {
    const { weights, config, insteadOf } = loadCheckpoint(path);
    return { path, weights, config, metadata: {}, notes: insteadOf === undefined ? [] : [insteadOf] };
  }
  const { tensors, metadata, notes } = readWeights(path);
  return { path, weights: tensors, config: configBeside(path), metadata, notes };
}

/**
 * The model that a run starting from these weights has: the one asked for, else the weights' own, with what they say of its options.
 *
 * @param asked what was asked for; undefined where only the recipe says something
 * @param recipe the recipe's, for weights that do not tell: of several models of the same names its own is taken
 * @throws InputError where several models fit and nothing chooses
 */
export function modelFor(
  { path, weights, config, metadata }: InitialWeights,
  asked: string | undefined,
  recipe: ModelChoice,
): ModelChoice {
  if (config) {
    const own = { model: config.architecture, modelOptions: config.model_options };
    return asked === undefined || asked === own.model ? own : recipe;
  }
  const { model, modelOptions } = asked === undefined ? fitting(weights, path, metadata, recipe) : recipe;
  const name = asked ?? model;
  return { model: name, modelOptions: { ...modelOptions, ...declaredIn(metadata, modelEntry(name)).modelOptions } };
}

function fitting(
  weights: InitialWeights["weights"],
  path: string,
  metadata: InitialWeights["metadata"],
  recipe: ModelChoice,
): ModelChoice {
  const models = fittingModels(weights);
  // None: loading them says what is missing of the recipe's.
  if (models.length === 0) return recipe;
  const { small } = modelEntry(recipe.model);
  const own = models.find(({ model }) => model === recipe.model || model === small);
  return own ?? modelOfWeights(weights, path, declaredModel(metadata));
}
