import type { ConvolutionChoices } from "./convolution-choices.js";

/**
 * Which engine computes a network's passes: "plain", libtorch operator by operator; "fast", compiled from the same model with oneDNN's primitives
 * and fused loops between them, on CPUs; "auto", the fast one where it can.
 */
export type EngineName = "auto" | "fast" | "plain";

/** How a network's images lie in the fast engine's memory: in blocks of channels, or pixel by pixel with all channels. */
export type ImageLayout = "blocks" | "channels-last";

export const ENGINE_NAMES: readonly EngineName[] = ["auto", "fast", "plain"];

export interface EngineChoice {
  readonly engine: EngineName;
  /** Whether the fast engine may compute convolutions by Winograd's algorithm. */
  readonly winograd: boolean;
  /** Whether nothing is chosen by timing, so that the same kind of machine always computes the same bits. Then there is no Winograd either. */
  readonly reproducible?: boolean | undefined;
  /** Which algorithm each convolution takes, where a run keeps that; else the machine's. */
  readonly choices?: ConvolutionChoices | undefined;
  /** For measuring and tests; else the one that oneDNN's fastest convolutions want. */
  readonly layout?: ImageLayout | undefined;
}

export const DEFAULT_ENGINE: EngineChoice = { engine: "auto", winograd: true };
