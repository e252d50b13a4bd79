import type { InputFormat } from "../data/split.js";
import { InputError } from "../base/errors.js";
import type { KeptChoices } from "../engine/convolution-choices.js";
import { createModel, modelEntry } from "../models/registry.js";
import type { Module } from "../nn/module.js";
import { moveTo } from "../nn/move-to.js";
import { loadStateDict } from "../nn/state-dict.js";
import { requireDevice } from "../tensor/require-device.js";
import { refuseBroken } from "./broken-weights.js";
import { loadCheckpoint } from "./checkpoint.js";
import type { CheckpointConfig } from "./config.js";
import { checkSizes, fitWeights } from "./fit-weights.js";

export interface LoadedModel {
  /** In evaluation mode; the caller disposes it. */
  readonly model: Module;
  readonly config: CheckpointConfig;
  readonly format: InputFormat;
  /** Which algorithm computed each convolution where it was trained. */
  readonly convolutions: KeptChoices | undefined;
  /** As `Checkpoint.insteadOf`. */
  readonly insteadOf: string | undefined;
}

/**
 * Builds the model a checkpoint describes and loads its weights.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @throws InputError where the checkpoint is missing, broken, holds another model than its config says, or numbers that are none.
 */
export function loadModel(path: string, device: string): LoadedModel {
  requireDevice(device);
  const { config, weights, convolutions, insteadOf } = loadCheckpoint(path);
  const [, height, width] = config.input_size;
  const inChannels = config.in_chans;
  const entry = modelEntry(config.architecture);
  const { smallestInput } = entry;
  if (Math.min(height, width) < smallestInput) {
    throw new InputError(
      `${path}: input_size: ${config.architecture} needs at least ${smallestInput} pixels, not ${height}x${width}`,
    );
  }
  checkSizes(weights, { num_classes: config.num_classes, width: config.model_options.width }, path);
  const model = createModel(config.architecture, { classes: config.num_classes, inChannels }, config.model_options);
  try {
    loadStateDict(model, fitWeights(model, entry, weights, { replaceHead: false }).weights, path);
    refuseBroken(model, path);
    moveTo(model, device);
  } catch (error) {
    model.dispose();
    throw error;
  }
  const format = { height, width, channels: inChannels, mean: config.mean, std: config.std } as const;
  return { model: model.eval(), config, format, convolutions, insteadOf };
}
