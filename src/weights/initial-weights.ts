import { statSync } from "node:fs";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { loadCheckpoint } from "./checkpoint.js";
import type { CheckpointConfig } from "./config.js";
import { readWeights } from "./read-weights.js";

/** Weights that a run starts from (transfer learning). */
export interface InitialWeights {
  readonly path: string;
  readonly weights: ReadonlyMap<string, RawTensor>;
  /** What a checkpoint says about its model; a plain file of weights says nothing. */
  readonly config: CheckpointConfig | undefined;
}

/**
 * Reads what a run starts from: a checkpoint's or a run's folder, or a file of weights (safetensors, or a PyTorch state dict).
 *
 * @throws InputError where what is there is damaged or of another kind.
 */
export function readInitialWeights(path: string): InitialWeights {
  if (statSync(path).isDirectory()) return { path, ...loadCheckpoint(path) };
  return { path, weights: readWeights(path).tensors, config: undefined };
}
