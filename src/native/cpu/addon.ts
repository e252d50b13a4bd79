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

/** min(max(x, low), high). At the borders the gradient passes (clamp) or does not (relu). */
export interface Clamp {
  readonly low: number;
  readonly high: number;
  readonly gradientAtBorders: boolean;
}

/** Of a batch norm, each [C]. */
export interface NormParameters {
  readonly gamma: Float32Array;
  readonly gammaGradient: Float32Array | undefined;
  readonly beta: Float32Array;
  readonly betaGradient: Float32Array | undefined;
  readonly runningMean: Float32Array;
  readonly runningVariance: Float32Array;
  readonly eps: number;
  readonly momentum: number;
  readonly batchStatistics: boolean;
}

/** One operation over values, which are numbered. All arrays lie in shared memory and are read or written at every pass. */
export type FastOperation =
  | { readonly kind: "input"; readonly output: number; readonly pixels: Float32Array }
  | { readonly kind: "output"; readonly input: number; readonly result: Float32Array; readonly gradient: Float32Array }
  | (WindowGeometry & {
      readonly kind: "convolution";
      readonly input: number;
      readonly output: number;
      readonly groups: number;
      /** Of forward, backward data and backward weights. */
      readonly algorithms: readonly [ConvolutionAlgorithm, ConvolutionAlgorithm, ConvolutionAlgorithm];
      readonly weight: Float32Array;
      readonly weightGradient: Float32Array | undefined;
      /** Inference only, as are residual and clamp. */
      readonly bias?: Float32Array | undefined;
      readonly residual?: number | undefined;
      readonly clamp?: Clamp | undefined;
    })
  | (NormParameters & {
      readonly kind: "batchNorm";
      readonly input: number;
      readonly output: number;
      /** Added before the clamp. */
      readonly residual?: number | undefined;
      /** In training: the residual is normalised too, by these. */
      readonly residualNorm?: NormParameters | undefined;
      readonly clamp?: Clamp | undefined;
    })
  | (WindowGeometry & { readonly kind: "maxPool"; readonly input: number; readonly output: number })
  | (WindowGeometry & {
      readonly kind: "averagePool";
      readonly input: number;
      readonly output: number;
      readonly countPadding: boolean;
    })
  | { readonly kind: "globalAverage"; readonly input: number; readonly output: number }
  | {
      readonly kind: "linear";
      readonly input: number;
      readonly output: number;
      readonly weight: Float32Array;
      readonly weightGradient: Float32Array | undefined;
      readonly bias: Float32Array | undefined;
      readonly biasGradient: Float32Array | undefined;
    }
  | { readonly kind: "concatenation"; readonly inputs: readonly number[]; readonly output: number }
  | { readonly kind: "channelPadding"; readonly input: number; readonly output: number; readonly before: number }
  | {
      readonly kind: "addition";
      readonly input: number;
      readonly other: number | undefined;
      readonly output: number;
      readonly clamp: Clamp | undefined;
    }
  | { readonly kind: "mask"; readonly input: number; readonly output: number; readonly mask: Float32Array };

export interface NetworkDescription {
  readonly bfloat16: boolean;
  readonly training: boolean;
  /** Images [N, C, H, W] or vectors [N, C]; "input" is the network's images, "output" one of its results. */
  readonly values: readonly { readonly shape: readonly number[]; readonly kind: "input" | "output" | "between" }[];
  readonly operations: readonly FastOperation[];
}

export interface OperationTime {
  /** "convolution", "batch norm", … */
  readonly kind: string;
  readonly forwardSeconds: number;
  readonly backwardSeconds: number;
}

/** What the sources beside this file exports. Every function throws an Error where what it is given does not fit together. */
export interface FastAddon {
  compile(description: NetworkDescription): NetworkHandle;
  /** Brings changed parameters into the layouts that the passes read. */
  loadParameters(network: NetworkHandle): void;
  forward(network: NetworkHandle, timed: boolean): void;
  /** @param accumulate whether gradients are added to what is there */
  backward(network: NetworkHandle, accumulate: boolean, timed: boolean): void;
  /** The operations in order, with the seconds of all timed passes. */
  times(network: NetworkHandle): OperationTime[];
  dispose(network: NetworkHandle): void;
  /** Asks for large pages under memory that nobody has touched yet. */
  wantLargePages(floats: Float32Array): void;
  /** Seconds, the fastest of the repeats; null where oneDNN cannot. */
  timeConvolution(
    request: WindowGeometry & {
      readonly images: Quad;
      readonly outChannels: number;
      readonly groups: number;
      readonly bfloat16: boolean;
      readonly algorithm: ConvolutionAlgorithm;
      /** 0 forward, 1 backward data, 2 backward weights. */
      readonly pass: 0 | 1 | 2;
      readonly repeats: number;
    },
  ): number | null;
  /** The fastest seconds of oneDNN's own batch norm with ReLU, forward and backward. */
  timeBatchNorm(request: TimedShape): number;
  /** The fastest seconds of oneDNN's own addition of two activations. */
  timeAddition(request: TimedShape): number;
}

interface TimedShape {
  readonly shape: Quad;
  readonly bfloat16: boolean;
  readonly repeats: number;
}

let loaded: FastAddon | undefined;

/** The fast engine, or undefined where set-up could not build it: without oneDNN's headers, or on another processor. */
export function fastAddon(): FastAddon | undefined {
  try {
    loaded ??= createRequire(import.meta.url)("../../../../build/cpu.node") as FastAddon;
    return loaded;
  } catch {
    return undefined;
  }
}
