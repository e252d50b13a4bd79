import { existsSync, statSync } from "node:fs";
import { InputError } from "../base/errors.js";
import type { ModelEntry } from "../models/entry.js";
import type { Module } from "../nn/module.js";
import { loadStateDict } from "../nn/state-dict.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { loadCheckpoint } from "../weights/checkpoint.js";
import type { CheckpointConfig } from "../weights/config.js";
import { fitWeights } from "../weights/fit-weights.js";
import { readWeights } from "../weights/read-weights.js";
import { checkInit, type Recipe } from "../recipe/recipe.js";

/** Weights that a run starts from (transfer learning). */
export interface InitialWeights {
  readonly path: string;
  readonly weights: ReadonlyMap<string, RawTensor>;
  /** What a checkpoint says about its model; a plain file of weights says nothing. */
  readonly config: CheckpointConfig | undefined;
}

/**
 * Reads a recipe's `init`: a checkpoint's or a run's folder, or a file of weights (safetensors, or a PyTorch state dict).
 *
 * @throws InputError where it names none, or what is missing, damaged or of another kind.
 */
export function initialWeights(recipe: Recipe): InitialWeights | undefined {
  checkInit(recipe);
  if (!recipe.init || recipe.init.weights === null) return undefined;
  const path = recipe.init.weights;
  if (!existsSync(path)) throw new InputError(`init (--init): there is nothing at ${path}`);
  if (statSync(path).isDirectory()) return { path, ...loadCheckpoint(path) };
  return { path, weights: readWeights(path).tensors, config: undefined };
}

/**
 * Loads the weights into a model of this entry that is initialised; a classifier for other classes gives way to the model's own.
 *
 * @returns what was changed to make them fit, a line each
 * @throws InputError that lists all that does not fit.
 */
export function startFrom(model: Module, entry: ModelEntry, { path, weights }: InitialWeights): readonly string[] {
  const fitted = fitWeights(model, entry, weights, { replaceHead: true });
  loadStateDict(model, fitted.weights, path);
  return fitted.notes;
}
