import type { NetworkDescription, NetworkHandle, OperationTime } from "../native/cpu/addon.js";
import { fitToBatch } from "../nn/graph/fit-to-batch.js";
import type { Graph, GraphNode } from "../nn/graph/graph.js";
import { noGradient } from "../tensor/autograd.js";
import type { DType } from "../tensor/dtype.js";
import { addInPlace, copyInPlace } from "../tensor/ops.js";
import type { Tensor } from "../tensor/tensor.js";
import { type FastEngine, UnsupportedOperation } from "./engine.js";
import { LibtorchPart } from "./libtorch-part.js";
import { type Lowered, lower } from "./lowering/lower.js";
import { type LoweringOptions, type Memory, UnsupportedLayer } from "./lowering/network.js";

export interface NetworkToCompile {
  readonly graph: Graph;
  /** The same network traced with one image more, for what is left to libtorch: see `fitToBatch`. */
  readonly nextGraph: () => Graph;
  readonly memory: Memory;
  readonly options: Pick<LoweringOptions, "batch" | "training" | "bfloat16">;
  /** What activations are in what libtorch computes. */
  readonly dtype: DType;
}

/** A network's passes: the fast engine's operations, and between them what that lacks, by libtorch. */
export class CompiledNetwork {
  readonly description: NetworkDescription;
  readonly #engine: FastEngine;
  readonly #memory: Memory;
  readonly #handle: NetworkHandle;
  readonly #parts: readonly { readonly after: number; readonly part: LibtorchPart }[];
  /** The parameters whose gradient the engine gives. */
  readonly #learning: ReadonlySet<Tensor>;

  /** @throws UnsupportedLayer where the engine can do too little of it */
  constructor(engine: FastEngine, { graph, nextGraph, memory, options: asked, dtype }: NetworkToCompile) {
    const [, channels = 0] = graph.input.shape;
    const options = { ...asked, block: engine.block, ownChannels: engine.keepsChannels(channels, asked) };
    const [handle, { description, parts, learning }] = compile(engine, graph, memory, options);
    this.#engine = engine;
    this.#memory = memory;
    this.#handle = handle;
    this.#learning = learning;
    this.description = description;
    const isFit = parts.length === 0 || graph.input.shape[0] === options.batch;
    const fitted = isFit ? graph : fitToBatch([graph, nextGraph()], options.batch);
    if (!fitted) throw new UnsupportedLayer("a network that computes something else for each batch");
    const fittedOf = new Map(graph.nodes.map((node, index) => [node, fitted.nodes[index] as GraphNode]));
    this.#parts = parts.map((part) => {
      const nodes = part.nodes.map((node) => fittedOf.get(node) as GraphNode);
      const mask = (seed: number, { shape }: { readonly shape: readonly number[] }) =>
        memory.mask(seed, [options.batch, ...shape.slice(1)]).tensor;
      const { training } = options;
      return { after: part.after, part: new LibtorchPart({ ...part, nodes }, { graph, dtype, training, mask }) };
    });
  }

  /** What libtorch computes, each operator once: ["sigmoid", "mul"]. */
  get inLibtorch(): string[] {
    return [...new Set(this.#parts.flatMap(({ part }) => part.operators))];
  }

  /**
   * Brings changed parameters into the layouts that the passes read.
   *
   * @param andGiveBack whether the memory of those that have a copy then goes, until they are written again
   */
  loadParameters(andGiveBack: boolean): void {
    this.#engine.addon.loadParameters(this.#handle, andGiveBack);
  }

  forward(): void {
    const { addon, timed } = this.#engine;
    let from = 0;
    for (const { after, part } of this.#parts) {
      addon.forward(this.#handle, from, after, timed);
      part.forward(timed);
      from = after;
    }
    addon.forward(this.#handle, from, this.description.operations.length, timed);
  }

  /** @param accumulate whether gradients are added to what is there */
  backward(accumulate: boolean): void {
    const { addon, timed } = this.#engine;
    const found: [Tensor, Tensor][] = [];
    let to = this.description.operations.length;
    for (const { after, part } of this.#parts.toReversed()) {
      addon.backward(this.#handle, after, to, accumulate, timed);
      found.push(...part.backward(timed));
      to = after;
    }
    addon.backward(this.#handle, 0, to, accumulate, timed);
    const written = new Set(this.#learning);
    noGradient(() => {
      for (const [parameter, gradient] of found) {
        const place = this.#memory.gradient(parameter)?.tensor;
        if (place) (accumulate || written.has(parameter) ? addInPlace : copyInPlace)(place, gradient);
        written.add(parameter);
        gradient.dispose();
      }
    });
  }

  /** Seconds of each operation in the timed passes so far. */
  times(): OperationTime[] {
    return [...this.#engine.addon.times(this.#handle), ...this.#parts.map(({ part }) => part.time)];
  }

  dispose(): void {
    this.#engine.addon.dispose(this.#handle);
    for (const { part } of this.#parts) part.dispose();
  }
}

function compile(engine: FastEngine, graph: Graph, memory: Memory, options: LoweringOptions): [NetworkHandle, Lowered] {
  const left = new Map<GraphNode, string>();
  for (;;) {
    const lowered = lower(graph, memory, options, left);
    try {
      return [engine.compile(lowered.description), lowered];
    } catch (error) {
      const node = error instanceof UnsupportedOperation ? lowered.nodeOf(error.operation) : undefined;
      if (!node || left.has(node)) throw error;
      left.set(node, (error as Error).message);
    }
  }
}
