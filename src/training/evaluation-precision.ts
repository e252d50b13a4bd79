import { cpuAddon } from "../native/cpu/addon.js";
import type { Precision } from "../nn/precision.js";
import type { CheckpointConfig } from "../weights/config.js";

/** In which numbers a checkpoint is evaluated; "auto" is bf16 where that is fast and costs no accuracy. */
export type EvaluationPrecision = Precision | "auto";

/** What bf16 may cost of top-1, as a share of the images. */
const MOST_LOST = 0.001;

/** Whether this processor has instructions for bf16: without them it is no faster than float32. */
export function hasFastBfloat16(): boolean {
  return /bf16|amx/.test(cpuAddon()?.processor().instructionSet ?? "");
}

/** @param config of the checkpoint: its run measured it in bf16 at its end, where that is fast */
export function precisionFor(asked: EvaluationPrecision, { knack }: CheckpointConfig, device: string): Precision {
  if (asked !== "auto") return asked;
  const { top1, top1_bf16: lowered } = knack ?? {};
  const costsNothing = typeof top1 === "number" && typeof lowered === "number" && lowered >= top1 - MOST_LOST;
  return device === "cpu" && costsNothing && hasFastBfloat16() ? "bf16" : "fp32";
}
