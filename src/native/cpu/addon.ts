import { createRequire } from "node:module";

declare const networkBrand: unique symbol;
/** A compiled network; only the addon can make or read one. */
export interface NetworkHandle {
  readonly [networkBrand]: true;
}

export type Quad = readonly [number, number, number, number];

/** Windows over images: sizes as [height, width], padding as [top, left, bottom, right]. */
export interface WindowGeometry {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Quad;
}

/** 0 direct, 1 Winograd. */
export type ConvolutionAlgorithm = 0 | 1;

/** Of forward, backward data and backward weights. */
export type Algorithms = readonly [ConvolutionAlgorithm, ConvolutionAlgorithm, ConvolutionAlgorithm];

/** A convolution over whole blocks of channels. */
export interface Convolution extends WindowGeometry {
  /** [N, C, H, W] */
  readonly images: Quad;
  readonly outChannels: number;
  readonly groups: number;
  readonly bfloat16: boolean;
  /** Whether there are backward passes. */
  readonly training: boolean;
  /** Whether it reads the network's images: their layout is free, and nobody wants their gradient. */
  readonly first: boolean;
}

/** A convolution over images of that layout. */
export interface ConvolutionShape extends Convolution {
  readonly channelsLast: boolean;
}

/** The processor as oneDNN takes it: DNNL_MAX_CPU_ISA makes it take any for a lesser one. */
export interface Processor {
  /** The best instructions in use: "avx512_core_bf16", "avx2", "sse41", … */
  readonly instructionSet: string;
  /** oneDNN's version, "2.6.3". */
  readonly library: string;
  /** Channels that the engine's loops take side by side: 16 with AVX-512, 8 with AVX2; null with less, where the engine has no fast layout. */
  readonly block: number | null;
  /** Whether products of uint8 with int8 are added in 32 bits (VNNI); without, two are in 16 bits, which those of 8-bit weights need not fit. */
  readonly exactBytes: boolean;
}

/**
 * One operation over values, which are numbered. What else it holds the kernel that has registered its kind reads: see src/engine/lowering.
 * All arrays lie in shared memory and are read or written at every pass.
 */
export interface OperationDescription {
  readonly kind: string;
}

export interface NetworkDescription {
  readonly bfloat16: boolean;
  readonly training: boolean;
  /** Whether images lie pixel by pixel, and not in blocks of channels. */
  readonly channelsLast: boolean;
  /**
   * Images [N, C, H, W] or vectors [N, C]; "input" is the network's images where a convolution alone reads them, "output" one of its results,
   * "integers" are images of uint8.
   */
  readonly values: readonly {
    readonly shape: readonly number[];
    readonly kind: "input" | "output" | "between" | "integers";
  }[];
  readonly operations: readonly OperationDescription[];
}

export interface OperationTime {
  /** "convolution", "batch norm", … */
  readonly kind: string;
  readonly forwardSeconds: number;
  readonly backwardSeconds: number;
}

/** What the sources beside this file exports. Every function throws an Error where what it is given does not fit together. */
export interface CpuAddon {
  processor(): Processor;
  /** How many threads the calling thread's networks are computed with. */
  setThreads(count: number): void;
  compile(description: NetworkDescription): NetworkHandle;
  /**
   * Brings changed parameters into the layouts that the passes read.
   *
   * @param andGiveBack whether the memory of those that have a copy then goes back to the system: whoever loads them again writes them before. Of
   *   inference only, and not where something else reads them
   */
  loadParameters(network: NetworkHandle, andGiveBack: boolean): void;
  /** The operations from one number to before another. */
  forward(network: NetworkHandle, from: number, to: number, timed: boolean): void;
  /**
   * The same ones from the last to the first.
   *
   * @param accumulate whether gradients are added to what is there
   */
  backward(network: NetworkHandle, from: number, to: number, accumulate: boolean, timed: boolean): void;
  /** The operations in order, with the seconds of all timed passes. */
  times(network: NetworkHandle): OperationTime[];
  dispose(network: NetworkHandle): void;
  /** Asks for large pages under memory that nobody has touched yet. */
  wantLargePages(floats: Float32Array): void;
  /**
   * Seconds that this thread and those it computes with were on a processor, and that they were ready to run while others were there; zeros where the
   * kernel does not say.
   */
  scheduled(): { readonly running: number; readonly waiting: number };
  /**
   * Seconds of one pass, the fastest of the repeats; null where oneDNN cannot compute all passes, each by its algorithm. With 0 repeats that is all
   * that is looked at.
   */
  timeConvolution(
    request: ConvolutionShape & {
      readonly algorithms: Algorithms;
      /** 0 forward, 1 backward data, 2 backward weights. */
      readonly pass: 0 | 1 | 2;
      readonly repeats: number;
    },
  ): number | null;
  /** For how many of a convolution's passes oneDNN's fastest implementation wants images channels-last, as a share from 0 to 1. */
  shareInChannelsLast(convolution: Convolution): number;
  /** The fastest seconds of oneDNN's own batch norm with ReLU, forward and backward. */
  timeBatchNorm(request: TimedShape): number;
  /** The fastest seconds of oneDNN's own addition of two activations. */
  timeAddition(request: TimedShape): number;
}

interface TimedShape {
  readonly shape: Quad;
  readonly bfloat16: boolean;
  readonly channelsLast: boolean;
  readonly repeats: number;
}

let loaded: CpuAddon | undefined;

/** The fast engine, or undefined where set-up could not build it: without oneDNN's headers, or on another processor. */
export function cpuAddon(): CpuAddon | undefined {
  try {
    loaded ??= createRequire(import.meta.url)("../../../../build/cpu.node") as CpuAddon;
    return loaded;
  } catch {
    return undefined;
  }
}
