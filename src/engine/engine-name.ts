import type { ConvolutionChoices } from "./convolution-choices.js";

/**
 * Which engine computes a network's passes: "plain", libtorch operator by operator; "fast", compiled from the same model with oneDNN's primitives
 * and fused loops between them, on CPUs; "auto", the fast one where it can.
 */
export type EngineName = "auto" | "fast" | "plain";

export const ENGINE_NAMES: readonly EngineName[] = ["auto", "fast", "plain"];

export interface EngineChoice {
  readonly engine: EngineName;
  /** Whether the fast engine may compute convolutions by Winograd's algorithm. */
  readonly winograd: boolean;
  /** Whether nothing is chosen by timing, so that the same kind of machine always computes the same bits. Then there is no Winograd either. */
  readonly reproducible?: boolean | undefined;
  /** Which algorithm each convolution takes, where a run keeps that; else the machine's. */
  readonly choices?: ConvolutionChoices | undefined;
}

export const DEFAULT_ENGINE: EngineChoice = { engine: "auto", winograd: true };
