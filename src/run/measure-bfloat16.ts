import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LabelledSet } from "../data/split.js";
import { hasFastBfloat16 } from "../training/evaluation-precision.js";
import { loadCheckpoint, readConfig, saveCheckpoint } from "../weights/checkpoint.js";
import { CONFIG } from "../weights/checkpoint-files.js";
import { evaluateCheckpoint } from "./evaluate-checkpoint.js";
import { fieldsOf } from "./metric-fields.js";
import type { RunFolder } from "./run-folder.js";

/** Whether a run's best weights are to be measured in bf16 yet, by top-1: where the processor has instructions for that. */
export function lacksBfloat16({ bestCheckpoint }: RunFolder, device: string): boolean {
  if (device !== "cpu" || !hasFastBfloat16() || !existsSync(bestCheckpoint)) return false;
  const { task, knack } = readConfig(join(bestCheckpoint, CONFIG));
  return task !== "multi-label" && knack?.top1_bf16 === undefined;
}

/**
 * Measures a finished run's best weights in bf16 and notes the top-1 in their `config.json`: whether `--precision auto` takes it.
 *
 * @param afterBatch called after each batch of images; what it throws ends it
 */
export async function measureBfloat16(
  { bestCheckpoint }: RunFolder,
  validation: LabelledSet,
  { workers, maxBadImages, afterBatch }: { workers: number; maxBadImages: number; afterBatch: () => void },
): Promise<void> {
  const { metrics } = await evaluateCheckpoint(bestCheckpoint, [validation], {
    precision: "bf16",
    workers,
    maxBadImages,
    afterBatch,
  });
  const checkpoint = loadCheckpoint(bestCheckpoint);
  const { config } = checkpoint;
  const knack = config.knack && { ...config.knack, top1_bf16: fieldsOf(metrics).top1 };
  saveCheckpoint(bestCheckpoint, { ...checkpoint, config: { ...config, knack } });
}
