import type { EvaluationFormat } from "../data/pictures/evaluation-transform.js";

/** A network that computes logits from pixels, whatever computes it. */
export interface Network {
  /** How pictures become its input. */
  readonly format: EvaluationFormat;
  /** How many pictures it takes at a time, at most. */
  readonly batchSize: number;
  /**
   * @param pixels [N, H, W, C] uint8
   * @returns [N, K] row-major
   */
  logits(pixels: Uint8Array): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** As many pictures as fill the processor, and do not fill the memory. */
export const BATCH_SIZE = 16;
