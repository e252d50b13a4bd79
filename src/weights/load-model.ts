import type { InputFormat } from "../data/split.js";
import { InputError } from "../base/errors.js";
import type { KeptChoices } from "../engine/convolution-choices.js";
import type { ModelEntry } from "../models/entry.js";
import { createModel, modelEntry } from "../models/registry.js";
import type { Module } from "../nn/module.js";
import { moveTo } from "../nn/move-to.js";
import { loadStateDict } from "../nn/state-dict.js";
import { noGradient } from "../tensor/autograd.js";
import { scaleEachInPlace } from "../tensor/ops.js";
import { requireDevice } from "../tensor/require-device.js";
import { refuseBroken } from "./broken-weights.js";
import type { KeptCalibration } from "./calibration.js";
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
  /** By whose temperature its logits are divided; undefined where they are as they were trained. */
  readonly calibration: KeptCalibration | undefined;
  /** As `UsableCheckpoint.folder`. */
  readonly folder: string;
  /** As `UsableCheckpoint.insteadOf`. */
  readonly insteadOf: string | undefined;
}

export interface LoadOptions {
  /** Whether logits are to be as they were trained, whatever `knack calibrate` found. Default: false. */
  readonly uncalibrated?: boolean | undefined;
}

/**
 * Builds the model a checkpoint describes and loads its weights. Of a calibrated checkpoint those of the classifier are divided by the temperature,
 * so that whatever computes the logits, or is exported, has calibrated ones.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @throws InputError where the checkpoint is missing, broken, holds another model than its config says, or numbers that are none.
 */
export function loadModel(path: string, device: string, { uncalibrated = false }: LoadOptions = {}): LoadedModel {
  requireDevice(device);
  const { config, weights, convolutions, folder, insteadOf, ...found } = loadCheckpoint(path);
  const calibration = uncalibrated ? undefined : found.calibration;
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
    if (calibration) divideLogits(model, entry, calibration.temperature);
    moveTo(model, device);
  } catch (error) {
    model.dispose();
    throw error;
  }
  const format = { height, width, channels: inChannels, mean: config.mean, std: config.std } as const;
  return { model: model.eval(), config, format, convolutions, calibration, folder, insteadOf };
}

/** Logits are linear in the classifier's own weights. */
function divideLogits(model: Module, { classifiers: [path] }: ModelEntry, temperature: number): void {
  const own = [...model.parameters()].filter(([name]) => name.startsWith(`${path}.`)).map(([, tensor]) => tensor);
  noGradient(() => scaleEachInPlace(own, 1 / temperature));
}
