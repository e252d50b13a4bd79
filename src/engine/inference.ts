import type { OperationTime } from "../native/cpu/addon.js";
import { foldBatchNorm } from "../nn/graph/fold-batch-norm.js";
import { type Graph, traceGraph } from "../nn/graph/graph.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { Generator } from "../tensor/generator.js";
import { copyInPlace, full, narrow, normalInPlace, sum } from "../tensor/ops.js";
import { releaseKeptMemory, scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { CompiledNetwork } from "./compiled-network.js";
import { DEFAULT_ENGINE, type EngineChoice } from "./engine-name.js";
import { type EngineTask, FastEngine, whereSupported } from "./engine.js";
import { type Memory, NotReproduced, UnsupportedLayer } from "./lowering/network.js";
import { SharedFloats } from "./shared-floats.js";

interface Network {
  readonly compiled: CompiledNetwork;
  readonly images: SharedFloats;
  readonly result: SharedFloats;
  /** Whether it has the present weights in its layouts: a copy of them that only a network in use needs. */
  loaded: boolean;
}

const TRACED_BATCH = 1;

/** Batch sizes that are kept compiled: an evaluation has one and the rest. */
const KEPT_NETWORKS = 2;

/** How far logits may be from the plain engine's, as a share of their length: rounding is less than a tenth of that, and a wrong layer is more. */
const APART = { fp32: 1e-2, bf16: 0.3 };

/** A model's evaluation, with its batch norms folded into the convolutions, compiled for each batch size that comes. */
export class CompiledInference {
  readonly #graph: Graph;
  /** The folded weights by their names. */
  readonly #weights = new Map<string, SharedFloats>();
  /** Whether they are there: once a network has them in its layouts, they are held in those only. */
  #areFolded = false;
  readonly #networks = new Map<number, Network>();
  /** Whether logits with the present weights are the plain engine's; undefined until some were compared. */
  #reproduces: boolean | undefined;

  /**
   * @param model with float32 weights, which are copied
   * @param shape [C, H, W]
   * @throws UnsupportedLayer where the model has a layer that the engine lacks, NotReproduced where it computes something else
   */
  constructor(
    private readonly engine: FastEngine,
    private readonly model: Module,
    private readonly shape: readonly [channels: number, height: number, width: number],
    private readonly bfloat16: boolean,
  ) {
    try {
      this.#graph = this.#fold();
      this.#probe();
      // What the trace and the probe took; the passes need none of it.
      releaseKeptMemory();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** Takes the model's present weights, which are float32; the next image's logits are compared again. */
  refresh(): void {
    this.#fold();
    this.#reproduces = undefined;
    for (const network of this.#networks.values()) network.loaded = false;
  }

  /** @param images [N, C, H, W] float32. @returns logits [N, classes], float32, without a gradient */
  logits(images: Tensor): Tensor {
    // Of NaN oneDNN's activations after a convolution make 0: such images are the plain engine's, and weights that make some of what is finite.
    if (this.#reproduces === false || !allFinite(images)) return this.#plainLogits(images);
    const logits = this.#fastLogits(images);
    this.#reproduces ??= this.#isFirstOf(logits, images);
    return this.#reproduces ? logits : this.#plainLogits(images);
  }

  #fastLogits(images: Tensor): Tensor {
    const [batch = 0] = images.shape;
    const network = this.#networks.get(batch) ?? this.#compile(batch);
    const { compiled, images: place, result } = network;
    if (!network.loaded) this.#load(compiled);
    network.loaded = true;
    noGradient(() => scope(() => copyInPlace(place.asImages(), images)));
    compiled.forward();
    return Tensor.from(result.floats.slice(), result.shape);
  }

  #load(network: CompiledNetwork): void {
    if (!this.#areFolded) this.#fold();
    // A part in libtorch may read what the engine reads too.
    const andGiveBack = network.inLibtorch.length === 0;
    network.loadParameters(andGiveBack);
    this.#areFolded = !andGiveBack;
  }

  /** Seconds of each operation for images of that batch; zeros unless the engine is timed. */
  times(batch: number): OperationTime[] {
    return this.#networks.get(batch)?.compiled.times() ?? [];
  }

  dispose(): void {
    for (const batch of [...this.#networks.keys()]) this.#forget(batch);
    for (const shared of this.#weights.values()) shared.dispose();
  }

  /** Compares the logits of one image of noise with the plain engine's. */
  #probe(): void {
    scope(() => {
      using generator = new Generator(0);
      const image = normalInPlace(full([1, ...this.shape], 0), 0, 1, generator);
      const logits = this.logits(image);
      // Numbers that are none say something of the weights, not of the engine.
      if (this.#reproduces === false && allFinite(logits)) {
        throw new NotReproduced("a way to compute this network: its logits are not libtorch's");
      }
    });
    // With the weights in its layouts it takes as much as they do, and other batches may be wanted.
    this.#forget(1);
  }

  /** Whether the first image's logits are the plain engine's. */
  #isFirstOf(logits: Tensor, images: Tensor): boolean {
    return scope(() => {
      const plain = this.#plainLogits(narrow(images, 0, 0, 1)).toArray();
      const fast = narrow(logits, 0, 0, 1).toArray();
      const apart = Math.hypot(...plain.map((value, index) => value - (fast[index] as number)));
      return apart <= (this.bfloat16 ? APART.bf16 : APART.fp32) * Math.hypot(...plain);
    });
  }

  #plainLogits(images: Tensor): Tensor {
    return this.#evaluating(() => noGradient(() => this.model.forward(images)));
  }

  #evaluating<T>(body: () => T): T {
    const modes = Array.from(this.model.modules(), ([, module]) => ({ module, training: module.training }));
    this.model.eval();
    try {
      return body();
    } finally {
      for (const { module, training } of modes) module.training = training;
    }
  }

  /** Takes the model's weights into their own memory. @returns the network over them */
  #fold(batch = TRACED_BATCH): Graph {
    this.#areFolded = true;
    return this.#evaluating(() =>
      scope(() =>
        noGradient(() => {
          const traced = traceGraph(this.model, [batch, ...this.shape]);
          // What the trace took, before the weights take theirs.
          releaseKeptMemory();
          const made = new Set<string>();
          const graph = foldBatchNorm(traced, (name, shape) => {
            made.add(name);
            return this.#home(name, shape).floats;
          });
          const parameters = Array.from(graph.parameters, ([value, tensor]) => {
            const home = this.#home(value.name, value.shape);
            if (!made.has(value.name)) copyInPlace(home.tensor, tensor);
            return [value, home.tensor] as const;
          });
          return { ...graph, parameters: new Map(parameters) };
        }),
      ),
    );
  }

  #home(name: string, shape: readonly number[]): SharedFloats {
    const home = this.#weights.get(name) ?? new SharedFloats(shape);
    this.#weights.set(name, home);
    return home;
  }

  #compile(batch: number): Network {
    const [oldest] = this.#networks.keys();
    if (oldest !== undefined && this.#networks.size >= KEPT_NETWORKS) this.#forget(oldest);
    const [
      {
        shape: [, classes = 1],
      },
    ] = this.#graph.outputs;
    const [channels, height, width] = this.shape;
    const images = new SharedFloats([batch, height, width, channels]);
    const result = new SharedFloats([batch, classes]);
    const places = new Map(Array.from(this.#weights.values(), ({ tensor, floats }) => [tensor, floats]));
    const memory: Memory = {
      parameter: (tensor) => places.get(tensor) as Float32Array,
      gradient: () => undefined,
      images: images.floats,
      outputs: [{ place: result.floats, gradient: undefined }],
      mask: () => {
        throw new UnsupportedLayer("a dropout outside training");
      },
      plan: (convolutions) => this.engine.plan(convolutions),
    };
    try {
      const options = { batch, training: false, bfloat16: this.bfloat16 };
      const [graph, nextGraph] = [this.#graph, () => this.#fold(TRACED_BATCH + 1)];
      const compiled = new CompiledNetwork(this.engine, { graph, nextGraph, memory, options, dtype: "float32" });
      const network = { compiled, images, result, loaded: false };
      this.#networks.set(batch, network);
      return network;
    } catch (error) {
      for (const shared of [images, result]) shared.dispose();
      throw error;
    }
  }

  #forget(batch: number): void {
    const network = this.#networks.get(batch);
    if (!network) return;
    this.#networks.delete(batch);
    network.compiled.dispose();
    network.images.dispose();
    network.result.dispose();
  }
}

/** Whether all numbers are; false also where their sum is not. */
function allFinite(tensor: Tensor): boolean {
  const dims = tensor.shape.map((_, dim) => dim);
  return noGradient(() => scope(() => Number.isFinite(sum(tensor, dims).item())));
}

/**
 * A model's evaluation by the fast engine; undefined where that cannot be had.
 *
 * @param shape [C, H, W]
 * @throws InputError where "fast" was asked for and cannot be had
 */
export function compiledInference(
  model: Module,
  shape: readonly [channels: number, height: number, width: number],
  { engine = DEFAULT_ENGINE, ...task }: EngineTask & { readonly engine?: EngineChoice },
): CompiledInference | undefined {
  const fast = FastEngine.open(engine, task);
  return whereSupported(fast, engine, (made) => new CompiledInference(made, model, shape, task.precision === "bf16"));
}
