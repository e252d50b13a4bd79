import type { OperationTime } from "../native/cpu/addon.js";
import { type Graph, type GraphNode, isValue, type NodeArgument, type Value } from "../nn/graph/graph.js";
import { DROPOUT } from "../nn/layers/dropout.js";
import { backwardFrom, gradientOf, noGradient } from "../tensor/autograd.js";
import type { DType } from "../tensor/dtype.js";
import { type Argument, operator } from "../tensor/operator.js";
import { copyInPlace, detach, emptyLike, fillInPlace, full, mul, requireGradient, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import type { CrossingValue, LibtorchPart as Part } from "./lowering/parts.js";
import { SharedFloats } from "./shared-floats.js";

export interface LibtorchPartOptions {
  readonly graph: Graph;
  /** What activations are in libtorch. */
  readonly dtype: DType;
  readonly training: boolean;
  /** What a dropout multiplies by, float32, from its seed in the trace and its input's shape for the batch. */
  readonly mask: (seed: number, input: Value) => Tensor;
}

/** A value that crosses, with libtorch's tensors over its memory. */
interface Crossing {
  readonly value: Value;
  readonly place: SharedFloats;
  readonly gradient: SharedFloats | undefined;
}

/** The tensors of a pass forward that the one backward begins and ends with. */
interface Pass {
  readonly leaves: ReadonlyMap<Value, Tensor>;
  readonly results: readonly Tensor[];
}

/** A part of a network that libtorch computes, between memory that the fast engine fills and reads. */
export class LibtorchPart {
  /** Each once: ["sigmoid", "mul"]. */
  readonly operators: readonly string[];
  #forwardSeconds = 0;
  #backwardSeconds = 0;
  readonly #inputs: readonly Crossing[];
  readonly #outputs: readonly Crossing[];
  readonly #masks: ReadonlyMap<GraphNode, Tensor>;
  #pass: Pass | undefined;

  constructor(
    private readonly part: Part,
    private readonly options: LibtorchPartOptions,
  ) {
    this.operators = [...new Set(part.nodes.map(({ operator: name }) => shortName(name)))];
    this.#inputs = part.inputs.map(crossingOf);
    this.#outputs = part.outputs.map(crossingOf);
    const dropouts = part.nodes.filter(({ operator: name }) => name === DROPOUT);
    this.#masks = new Map(
      dropouts.map((node) => [node, options.mask(Number(node.arguments[2]), node.arguments[0] as Value)]),
    );
  }

  /** Seconds of the timed passes so far. */
  get time(): OperationTime {
    const kind = `libtorch: ${this.operators.join(", ")}`;
    return { kind, forwardSeconds: this.#forwardSeconds, backwardSeconds: this.#backwardSeconds };
  }

  forward(timed: boolean): void {
    const started = performance.now();
    const { training } = this.options;
    this.#forget();
    const pass = scope(() => (training ? this.#compute() : noGradient(() => this.#compute())));
    noGradient(() => {
      for (const [index, { place }] of this.#outputs.entries())
        copyInPlace(imagesOf(place), pass.results[index] as Tensor);
    });
    this.#pass = pass;
    if (!training) this.#forget();
    if (timed) this.#forwardSeconds += (performance.now() - started) / 1000;
  }

  /** Carries the outputs' gradients to the inputs'. @returns those of the parameters that learn, to be disposed */
  backward(timed: boolean): Map<Tensor, Tensor> {
    const started = performance.now();
    const { leaves, results } = this.#pass ?? { leaves: new Map<Value, Tensor>(), results: [] };
    const learning = new Map<Tensor, Tensor>();
    scope(() => {
      const wanted = this.#outputs.flatMap(({ gradient }, index) => {
        const result = results[index];
        return gradient && result?.requiresGradient ? [{ result, gradient }] : [];
      });
      // Laid out as the results: libtorch 1.13's gelu_backward takes others for those.
      const gradients = noGradient(() =>
        wanted.map(({ result, gradient }) => copyInPlace(emptyLike(result), imagesOf(gradient))),
      );
      backwardFrom(
        wanted.map(({ result }) => result),
        gradients,
      );
      noGradient(() => {
        for (const { value, gradient } of this.#inputs) {
          if (!gradient) continue;
          const own = gradientOf(leaves.get(value) as Tensor);
          if (own) copyInPlace(imagesOf(gradient), own);
          else fillInPlace(gradient.tensor, 0);
        }
        for (const [value, tensor] of this.options.graph.parameters) {
          const leaf = leaves.get(value);
          if (!leaf?.requiresGradient) continue;
          const own = gradientOf(leaf) ?? full(leaf.shape, 0);
          learning.set(tensor, own.keep());
        }
      });
    });
    this.#forget();
    if (timed) this.#backwardSeconds += (performance.now() - started) / 1000;
    return learning;
  }

  dispose(): void {
    this.#forget();
    for (const { place, gradient } of [...this.#inputs, ...this.#outputs]) {
      place.dispose();
      gradient?.dispose();
    }
  }

  /** To be called in a scope, which frees what lies between. */
  #compute(): Pass {
    const { graph, dtype, training } = this.options;
    const leaves = new Map<Value, Tensor>();
    for (const { value, place, gradient } of this.#inputs) {
      const tensor = noGradient(() => toDType(imagesOf(place), dtype));
      leaves.set(value, requireGradient(detach(tensor), gradient !== undefined));
    }
    for (const node of this.part.nodes) {
      for (const value of node.arguments.flat().filter(isValue)) {
        const parameter = graph.parameters.get(value);
        if (!parameter || leaves.has(value)) continue;
        leaves.set(value, requireGradient(detach(parameter), training && parameter.requiresGradient));
      }
    }
    const values = new Map(leaves);
    for (const node of this.part.nodes) values.set(node.output, this.#run(node, values));
    const results = this.#outputs.map(({ value }) => (values.get(value) as Tensor).keep());
    if (training) for (const leaf of leaves.values()) leaf.keep();
    return { leaves: training ? leaves : new Map(), results };
  }

  #run(node: GraphNode, values: ReadonlyMap<Value, Tensor>): Tensor {
    const tensorOf = (value: Value) => values.get(value) as Tensor;
    const given = node.arguments.map((argument): Argument => argumentOf(argument, tensorOf));
    const mask = this.#masks.get(node);
    if (mask) {
      const [input] = given as [Tensor];
      return mul(input, toDType(mask, input.dtype));
    }
    return operatorOf(node.operator)(...given) as Tensor;
  }

  #forget(): void {
    for (const tensor of [...(this.#pass?.leaves.values() ?? []), ...(this.#pass?.results ?? [])]) tensor.dispose();
    this.#pass = undefined;
  }
}

function crossingOf({ value, shape, place, gradient }: CrossingValue): Crossing {
  return {
    value,
    place: new SharedFloats(shape, place),
    gradient: gradient && new SharedFloats(shape, gradient),
  };
}

/** Memory of [N, H, W, C] as [N, C, H, W]; of [N, C] as it is. */
function imagesOf(floats: SharedFloats): Tensor {
  return floats.shape.length === 4 ? floats.asImages() : floats.tensor;
}

function argumentOf(argument: NodeArgument, tensorOf: (value: Value) => Tensor): Argument {
  if (Array.isArray(argument)) return argument.map((element) => (isValue(element) ? tensorOf(element) : element));
  return argument !== undefined && isValue(argument) ? tensorOf(argument) : (argument as Argument);
}

const operators = new Map<string, ReturnType<typeof operator>>();

function operatorOf(fullName: string): ReturnType<typeof operator> {
  const [name = "", overload] = fullName.split(".");
  const known = operators.get(fullName) ?? operator(name, overload);
  operators.set(fullName, known);
  return known;
}

/** "aten::add.Tensor" -> "add" */
function shortName(fullName: string): string {
  return fullName.replace(/^\w+::/, "").replace(/\..*/, "");
}
