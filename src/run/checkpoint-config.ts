import { kindOf } from "../data/kinds/kinds.js";
import { VERSION } from "../base/version.js";
import type { CheckpointConfig } from "../weights/config.js";
import type { Evaluation } from "../training/evaluate.js";
import type { Trainer } from "../training/trainer.js";

/** How far a run had come when its weights were saved. */
interface Progress {
  /** Finished epochs. */
  readonly epoch: number;
  /** Optimizer steps done. */
  readonly step: number;
  /** The last evaluation; null before the first. */
  readonly evaluation: Evaluation | null;
}

/** What a checkpoint of this trainer says of itself in `config.json`. */
export function checkpointConfig(
  { recipe, data, task }: Trainer,
  { epoch, step, evaluation }: Progress,
): CheckpointConfig {
  const { train } = data;
  const { resize, interpolation, cropPct, intensity } = kindOf(train).evaluation(train);
  return {
    architecture: recipe.model,
    num_classes: train.classes.length,
    in_chans: train.channels,
    input_size: [train.channels, train.height, train.width],
    mean: [...train.mean],
    std: [...train.std],
    interpolation,
    crop_pct: cropPct,
    ...(resize !== "crop" && { crop_mode: resize }),
    ...(intensity && { intensity: [...intensity] }),
    label_names: [...train.classes],
    ...(task.name === "multi-label" && { task: task.name }),
    ...(evaluation?.thresholds && { thresholds: [...evaluation.thresholds] }),
    model_options: recipe.modelOptions,
    knack: {
      version: VERSION,
      epoch,
      step,
      top1: evaluation?.metrics["top-1"] ?? null,
      top5: evaluation?.metrics["top-5"] ?? null,
      recipe: recipe.name,
    },
  };
}
