import { cpus } from "node:os";
import { InputError } from "../base/errors.js";
import { cpuFlags } from "../native/cpu/cpu-flags.js";
import { type CpuAddon, cpuAddon, type NetworkDescription, type NetworkHandle } from "../native/cpu/addon.js";
import { describeEngine } from "../tensor/engine.js";
import { type Algorithms, ConvolutionAlgorithms, type ConvolutionShape, DIRECT } from "./convolution-algorithms.js";
import type { EngineChoice } from "./engine-name.js";
import { UnsupportedLayer } from "./lowering/network.js";

/** Where and in which numbers a network computes. */
export interface EngineTask {
  /** "cpu", "cuda", … */
  readonly device: string;
  readonly precision: "fp32" | "bf16" | "fp16";
}

/** The compiler of networks, and what it remembers of this machine. */
export class FastEngine {
  readonly #algorithms: ConvolutionAlgorithms;
  /** Whether passes measure each operation. */
  timed = false;

  private constructor(
    readonly addon: CpuAddon,
    private readonly winograd: boolean,
  ) {
    const processor = `${cpus()[0]?.model.trim() ?? "cpu"} ${describeEngine().threads} threads`;
    this.#algorithms = new ConvolutionAlgorithms(addon, processor);
  }

  /**
   * @returns undefined where the plain engine was asked for, or "auto" cannot do better
   * @throws InputError where "fast" was asked for and is not to be had, saying why
   */
  static open({ engine, winograd }: EngineChoice, { device, precision }: EngineTask): FastEngine | undefined {
    if (engine === "plain") return undefined;
    const addon = cpuAddon();
    const reason = precision === "fp16" ? "it has no fp16" : whyNot(addon, device);
    if (addon && reason === undefined) return new FastEngine(addon, winograd);
    if (engine === "fast") throw new InputError(`engine (--engine fast): ${reason}; use --engine auto`);
    return undefined;
  }

  algorithms(convolution: ConvolutionShape): Algorithms {
    return this.winograd ? this.#algorithms.choose(convolution) : DIRECT;
  }

  /** @throws UnsupportedLayer where oneDNN lacks an operation of these sizes */
  compile(description: NetworkDescription): NetworkHandle {
    this.#algorithms.remember();
    try {
      return this.addon.compile(description);
    } catch (error) {
      const [, layer] = /^unsupported: (.*)/.exec((error as Error).message) ?? [];
      throw layer === undefined ? error : new UnsupportedLayer(layer);
    }
  }
}

function whyNot(addon: CpuAddon | undefined, device: string): string | undefined {
  if (device !== "cpu") return `it computes on CPUs, not on ${device}`;
  if (!addon) return "it was not built: it needs oneDNN 2's headers (Debian's libdnnl-dev), then npm run setup";
  return cpuFlags().has("avx2") ? undefined : "it needs a processor with AVX2";
}

/**
 * What `make` makes with the fast engine; undefined where there is none or the network has a layer it lacks.
 *
 * @throws InputError where "fast" was asked for
 */
export function whereSupported<T>(
  engine: FastEngine | undefined,
  { engine: asked }: EngineChoice,
  make: (engine: FastEngine) => T,
): T | undefined {
  if (!engine) return undefined;
  try {
    return make(engine);
  } catch (error) {
    if (!(error instanceof UnsupportedLayer)) throw error;
    if (asked !== "fast") return undefined;
    throw new InputError(`engine (--engine fast): it lacks ${error.message}; use --engine auto`);
  }
}
