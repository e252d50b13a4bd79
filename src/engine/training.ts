import type { NetworkDescription, OperationTime } from "../native/cpu/addon.js";
import { BatchNorm2d } from "../nn/layers/batch-norm2d.js";
import { Dropout, dropoutMask } from "../nn/layers/dropout.js";
import { type Graph, traceGraph } from "../nn/graph/graph.js";
import type { Module, Parameter } from "../nn/module.js";
import { gradientOf, noGradient, setGradient } from "../tensor/autograd.js";
import type { DType } from "../tensor/dtype.js";
import { clone, copyInPlace, requireGradient } from "../tensor/ops.js";
import { releaseKeptMemory, scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { CompiledNetwork } from "./compiled-network.js";
import type { FastEngine } from "./engine.js";
import type { Memory } from "./lowering/network.js";
import { SharedFloats } from "./shared-floats.js";

export interface CompiledTrainingOptions {
  /** [N, C, H, W]: the images of every pass. */
  readonly shape: readonly [number, number, number, number];
  /** Float32 masters of 16-bit parameters: the engine reads those, whatever it computes in. */
  readonly masters: ReadonlyMap<Parameter, Tensor>;
  /** What the model computes from images in training: the logits, and those of an auxiliary classifier. */
  readonly forward: (images: Tensor) => readonly [Tensor, ...Tensor[]];
}

/** Two are enough to see every operator; what they are does not matter. */
const TRACED_BATCH = 2;

/**
 * A model's forward and backward pass, compiled for one batch size from the model as it stands: what learns (`requiresGradient`) and which batch
 * norms take the batch's statistics is fixed. Parameters and running statistics stay the model's own tensors; their memory becomes shared.
 */
export class CompiledTraining {
  readonly #network: CompiledNetwork;
  readonly #images: SharedFloats;
  readonly #outputs: { readonly result: SharedFloats; readonly gradient: SharedFloats }[];
  readonly #gradients: ReadonlyMap<Tensor, SharedFloats>;
  /** By the numbers of the dropouts. */
  readonly #masks = new Map<
    number,
    { readonly dropout: Dropout; readonly mask: SharedFloats; readonly dtype: DType }
  >();
  readonly #counting: readonly BatchNorm2d[];
  /** The results of the pass under way, whose gradients backward reads. */
  #leaves: readonly Tensor[] = [];

  /** @throws UnsupportedLayer where the model has a layer that the engine lacks */
  constructor(engine: FastEngine, model: Module, { shape, masters, forward }: CompiledTrainingOptions) {
    const dropouts = [...model.modules()].flatMap(([, module]) => (module instanceof Dropout ? [module] : []));
    const norms = [...model.modules()].flatMap(([, module]) => (module instanceof BatchNorm2d ? [module] : []));
    const dtype = [...model.parameters()].find(([, parameter]) => masters.has(parameter))?.[1].dtype ?? "float32";
    const traceFor = (images: number) =>
      traceTraining(model, { norms, dropouts, shape: [images, shape[1], shape[2], shape[3]], forward });
    const graph = traceFor(TRACED_BATCH);
    const used = new Set(graph.parameters.values());
    this.#counting = norms.filter((norm) => norm.training && used.has(norm.weight));
    const [batch] = shape;
    const [, channels, height, width] = shape;
    this.#images = new SharedFloats([batch, height, width, channels]);
    this.#outputs = graph.outputs.map(({ shape: [, classes = 1] }) => ({
      result: new SharedFloats([batch, classes]),
      gradient: new SharedFloats([batch, classes]),
    }));
    const masterOf = (tensor: Tensor) => masters.get(tensor as Parameter) ?? tensor;
    const homes = SharedFloats.homesOf([...graph.parameters.values()].map(masterOf));
    const learning = [...used].filter((tensor) => tensor.requiresGradient);
    const gradients = SharedFloats.sideBySide(learning.map(({ shape }) => shape));
    this.#gradients = new Map(learning.map((tensor, index) => [tensor, gradients[index] as SharedFloats]));
    const memory: Memory = {
      parameter: (tensor) => homes.get(masterOf(tensor)) as Float32Array,
      gradient: (tensor) => this.#gradients.get(tensor),
      images: this.#images.floats,
      outputs: this.#outputs.map(({ result, gradient }) => ({ place: result.floats, gradient: gradient.floats })),
      mask: (seed, maskShape) => {
        const dropout = dropouts[seed];
        if (!dropout) throw new Error(`the trace has a dropout ${seed} that the model lacks`);
        const mask = this.#masks.get(seed)?.mask ?? new SharedFloats(maskShape);
        this.#masks.set(seed, { dropout, mask, dtype });
        return mask;
      },
      plan: (convolutions) => engine.plan(convolutions),
    };
    try {
      this.#network = new CompiledNetwork(engine, {
        graph,
        nextGraph: () => traceFor(TRACED_BATCH + 1),
        memory,
        options: { batch, training: true, bfloat16: dtype === "bfloat16" },
        dtype,
      });
      // What the trace and the parameters' earlier places took; the passes need none of it.
      releaseKeptMemory();
    } catch (error) {
      this.#disposeShared();
      throw error;
    }
  }

  /** What was compiled. */
  get description(): NetworkDescription {
    return this.#network.description;
  }

  /** What libtorch computes of it, each operator once. */
  get inLibtorch(): string[] {
    return this.#network.inLibtorch;
  }

  /**
   * @param images [N, C, H, W] float32
   * @returns float32 logits [N, classes], and those of an auxiliary classifier: leaves that require a gradient, which `backward` carries on
   */
  forward(images: Tensor): readonly Tensor[] {
    noGradient(() =>
      scope(() => {
        copyInPlace(this.#images.asImages(), images);
        for (const { dropout, mask, dtype } of this.#masks.values()) {
          const { shape } = mask;
          const like = { shape: [...shape], dtype, device: "cpu" };
          copyInPlace(mask.tensor, dropoutMask(like, dropout.p, dropout.seed, dropout.part));
        }
      }),
    );
    this.#network.loadParameters(false);
    this.#network.forward();
    for (const norm of this.#counting) norm.countBatch();
    this.#leaves = this.#outputs.map(({ result }) => requireGradient(Tensor.from(result.floats, result.shape), true));
    return this.#leaves;
  }

  /**
   * Carries the gradients of the results on to every parameter, where they are found as after a backward pass of libtorch's.
   *
   * @param accumulate whether they are added to those of the backward pass before
   */
  backward(accumulate: boolean): void {
    noGradient(() =>
      scope(() => {
        for (const [index, leaf] of this.#leaves.entries()) {
          const gradient = gradientOf(leaf);
          if (gradient) copyInPlace((this.#outputs[index] as { gradient: SharedFloats }).gradient.tensor, gradient);
        }
      }),
    );
    this.#leaves = [];
    this.#network.backward(accumulate);
    for (const [parameter, gradient] of this.#gradients) setGradient(parameter, gradient.tensor);
  }

  /** Seconds of each operation in the passes so far; zeros unless the engine is timed. */
  times(): OperationTime[] {
    return this.#network.times();
  }

  dispose(): void {
    this.#network.dispose();
    this.#disposeShared();
  }

  #disposeShared(): void {
    const outputs = this.#outputs.flatMap(({ result, gradient }) => [result, gradient]);
    const masks = Array.from(this.#masks.values(), ({ mask }) => mask);
    for (const shared of [this.#images, ...outputs, ...masks, ...this.#gradients.values()]) shared.dispose();
  }
}

interface Tracing {
  readonly norms: readonly BatchNorm2d[];
  readonly dropouts: readonly Dropout[];
  readonly shape: readonly [number, number, number, number];
  readonly forward: (images: Tensor) => readonly [Tensor, ...Tensor[]];
}

/** Traces a model in training mode and leaves its running statistics as they were. A dropout shows up with its number as seed. */
function traceTraining(model: Module, { norms, dropouts, shape, forward }: Tracing): Graph {
  return scope(() => {
    const statistics = norms.flatMap(({ running_mean, running_var, num_batches_tracked }) => [
      running_mean,
      running_var,
      num_batches_tracked,
    ]);
    const saved = noGradient(() => statistics.map((tensor) => clone(tensor)));
    const seeds = dropouts.map((dropout) => dropout.seed);
    for (const [index, dropout] of dropouts.entries()) dropout.seed = index;
    try {
      return traceGraph(model, shape, forward);
    } finally {
      noGradient(() => {
        for (const [index, tensor] of statistics.entries()) copyInPlace(tensor, saved[index] as Tensor);
      });
      for (const [index, dropout] of dropouts.entries()) dropout.seed = seeds[index];
    }
  });
}
