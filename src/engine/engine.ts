import { cpus } from "node:os";
import { InputError } from "../base/errors.js";
import {
  type Algorithms,
  type Convolution,
  type CpuAddon,
  cpuAddon,
  type NetworkDescription,
  type NetworkHandle,
} from "../native/cpu/addon.js";
import { whyNoCpuAddon } from "../native/cpu/why-no-addon.js";
import { describeEngine } from "../tensor/engine.js";
import { ConvolutionAlgorithms } from "./convolution-algorithms.js";
import { ConvolutionChoices } from "./convolution-choices.js";
import type { EngineChoice, ImageLayout } from "./engine-name.js";
import { layoutFor } from "./image-layout.js";
import { type ConvolutionPlan, NotReproduced, UnsupportedLayer } from "./lowering/network.js";

/** Where and in which numbers a network computes. */
export interface EngineTask {
  /** "cpu", "cuda", … */
  readonly device: string;
  readonly precision: "fp32" | "bf16" | "fp16";
}

/** An operation for which oneDNN has no fast code. */
export class UnsupportedOperation extends UnsupportedLayer {
  constructor(
    /** Its number in the description. */
    readonly operation: number,
    what: string,
  ) {
    super(what);
  }
}

/** The compiler of networks, and what it remembers of this machine. */
export class FastEngine {
  readonly #algorithms: ConvolutionAlgorithms;
  /** Whether passes measure each operation. */
  timed = false;

  private constructor(
    readonly addon: CpuAddon,
    /** Channels that are computed side by side: images have whole blocks of them. */
    readonly block: number,
    private readonly winograd: boolean,
    choices: ConvolutionChoices,
    private readonly layout: ImageLayout | undefined,
  ) {
    const { instructionSet, library } = addon.processor();
    const model = cpus()[0]?.model.trim() ?? "cpu";
    const machine = `${model} ${instructionSet} oneDNN ${library} ${describeEngine().threads} threads`;
    this.#algorithms = new ConvolutionAlgorithms(addon, machine, choices);
  }

  /**
   * @returns undefined where the plain engine was asked for, or "auto" cannot do better
   * @throws InputError where "fast" was asked for and is not to be had, saying why
   */
  static open(choice: EngineChoice, task: EngineTask): FastEngine | undefined {
    const { engine, winograd, reproducible = false, choices = new ConvolutionChoices(), layout } = choice;
    if (engine === "plain") return undefined;
    const addon = cpuAddon();
    const block = addon?.processor().block ?? null;
    const reason = whyNoFastEngine(task);
    if (addon && block !== null && reason === undefined) {
      return new FastEngine(addon, block, winograd && !reproducible, choices, layout);
    }
    if (engine === "fast") throw new InputError(`engine (--engine fast): ${reason}; use --engine auto`);
    return undefined;
  }

  /**
   * Whether the network's images keep their own channels for the convolution that reads them; others fill a block. Of one with 4 or more, with AVX2
   * alone also of one with other than 3, oneDNN has no fast gradient of the weights; of 1 in bf16, oneDNN 3 has none.
   */
  keepsChannels(channels: number, { bfloat16, training }: { readonly bfloat16: boolean; readonly training: boolean }) {
    if (!training || channels === 3) return true;
    const isOneDnn3 = !this.addon.processor().library.startsWith("2.");
    return channels < 3 && this.block === 16 && !(bfloat16 && isOneDnn3 && channels === 1);
  }

  /** How all of a network's convolutions are computed. */
  plan(convolutions: readonly Convolution[]): ConvolutionPlan {
    const kept = this.layout ?? this.#algorithms.keptLayout(convolutions);
    const channelsLast = (kept ?? layoutFor(this.addon, convolutions, this.winograd)) === "channels-last";
    const algorithmsOf = (convolution: Convolution): Algorithms =>
      this.#algorithms.choose({ ...convolution, channelsLast }, this.winograd);
    return { channelsLast, algorithms: convolutions.map(algorithmsOf) };
  }

  /** @throws UnsupportedOperation where oneDNN lacks one of these sizes */
  compile(description: NetworkDescription): NetworkHandle {
    return compileNetwork(this.addon, description);
  }
}

/** @throws UnsupportedOperation where oneDNN lacks an operation of these sizes */
export function compileNetwork(addon: Pick<CpuAddon, "compile">, description: NetworkDescription): NetworkHandle {
  try {
    return addon.compile(description);
  } catch (error) {
    const [, operation, what] = /^unsupported: (\d+): (.*)/.exec((error as Error).message) ?? [];
    throw what === undefined ? error : new UnsupportedOperation(Number(operation), what);
  }
}

/** Why there is no fast engine for that here, as a sentence's end; undefined where there is one. */
export function whyNoFastEngine({ device, precision }: EngineTask): string | undefined {
  const addon = cpuAddon();
  if (precision === "fp16") return "it has no fp16";
  if (device !== "cpu") return `it computes on CPUs, not on ${device}`;
  if (!addon) return whyNoCpuAddon();
  const { block, instructionSet } = addon.processor();
  if (block === null) return `it needs a processor with AVX2, and this has ${instructionSet}`;
  return precision === "bf16" && block < 16
    ? `it has no bf16 without AVX-512, and this has ${instructionSet}`
    : undefined;
}

/**
 * What `make` makes with the fast engine; undefined where there is none or the network has a layer it lacks.
 *
 * @param lacks is told which layer that is
 * @throws InputError where "fast" was asked for
 */
export function whereSupported<T>(
  engine: FastEngine | undefined,
  { engine: asked }: EngineChoice,
  make: (engine: FastEngine) => T,
  lacks: (layer: string) => void = () => {},
): T | undefined {
  if (!engine) return undefined;
  try {
    return make(engine);
  } catch (error) {
    if (!(error instanceof UnsupportedLayer)) throw error;
    lacks(error.message);
    if (asked !== "fast") {
      if (error instanceof NotReproduced)
        process.emitWarning(`engine: plain, since the fast one lacks ${error.message}`);
      return undefined;
    }
    throw new InputError(`engine (--engine fast): it lacks ${error.message}; use --engine auto`);
  }
}
