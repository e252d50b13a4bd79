import type { InputFormat } from "../data/prepare-images.js";
import { createModel } from "../models/registry.js";
import type { Module } from "../nn/module.js";
import { moveTo } from "../nn/move-to.js";
import { loadStateDict } from "../nn/state-dict.js";
import { loadCheckpoint } from "./checkpoint.js";
import type { CheckpointConfig } from "./config.js";

export interface LoadedModel {
  /** In evaluation mode; the caller disposes it. */
  readonly model: Module;
  readonly config: CheckpointConfig;
  readonly format: InputFormat;
}

/**
 * Builds the model a checkpoint describes and loads its weights.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @throws InputError where the checkpoint is missing, broken or holds another model than its config says.
 */
export function loadModel(path: string, device: string): LoadedModel {
  const { config, weights } = loadCheckpoint(path);
  const [channels, height, width] = config.input_size;
  const inChannels = channels === 1 ? 1 : 3;
  const model = createModel(config.architecture, { classes: config.num_classes, inChannels }, config.model_options);
  try {
    loadStateDict(model, weights, path);
    moveTo(model, device);
  } catch (error) {
    model.dispose();
    throw error;
  }
  const format = { height, width, channels: inChannels, mean: config.mean, std: config.std } as const;
  return { model: model.eval(), config, format };
}
