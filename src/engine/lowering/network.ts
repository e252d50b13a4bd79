import type {
  Algorithms,
  Convolution,
  NetworkDescription,
  OperationDescription,
  Quad,
} from "../../native/cpu/addon.js";
import {
  type Graph,
  type GraphNode,
  isValue,
  type NodeArgument,
  type Value,
  valuesRead,
} from "../../nn/graph/graph.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { SharedFloats } from "../shared-floats.js";

/** A layer that the fast engine does not have. Whoever asked for a network then takes the plain path. */
export class UnsupportedLayer extends Error {}

/** A network that the fast engine computes otherwise than the plain one. */
export class NotReproduced extends UnsupportedLayer {}

/** Where a network's numbers lie; all of it in shared memory. */
export interface Memory {
  /** A parameter or buffer, float32. */
  readonly parameter: (tensor: Tensor) => Float32Array;
  /** Where its gradient goes; undefined where it does not learn. */
  readonly gradient: (tensor: Tensor) => SharedFloats | undefined;
  readonly images: Float32Array;
  /** Of the network's results, [N, classes]. */
  readonly outputs: readonly Place[];
  /** The mask of the dropout that was traced with this seed. */
  readonly mask: (seed: number, shape: readonly number[]) => SharedFloats;
  readonly plan: (convolutions: readonly Convolution[]) => ConvolutionPlan;
}

/** Float32 numbers that come from JavaScript or go there, images pixel by pixel; and those of their gradient where that is wanted. */
export interface Place {
  readonly place: Float32Array;
  readonly gradient: Float32Array | undefined;
}

export interface EnterOperation extends Place {
  readonly kind: "enter";
  readonly output: number;
}

export interface LeaveOperation extends Place {
  readonly kind: "leave";
  readonly input: number;
}

/** How the convolutions of a network are computed: all over images of one layout, each by its algorithms. */
export interface ConvolutionPlan {
  readonly channelsLast: boolean;
  readonly algorithms: readonly Algorithms[];
}

export interface LoweringOptions {
  readonly batch: number;
  readonly training: boolean;
  readonly bfloat16: boolean;
  /** Channels that are computed side by side: images have whole blocks of them. */
  readonly block: number;
  /** Whether the network's images have just their own, where a convolution reads them. */
  readonly ownChannels: boolean;
}

/** A convolution of a network in making. */
class PlannedConvolution {
  constructor(
    readonly convolution: Convolution,
    readonly by: (algorithms: Algorithms) => OperationDescription,
  ) {}
}

/** The operations of a network, and what is to be known of them beside what the engine compiles. */
export interface LoweredOperations {
  readonly description: NetworkDescription;
  /** The parameters whose gradient an operation gives. */
  readonly learning: ReadonlySet<Tensor>;
  /** The node that an operation begins with; undefined for those between the engine and JavaScript. */
  readonly nodeOf: (operation: number) => GraphNode | undefined;
}

type ValueKind = NetworkDescription["values"][number]["kind"];

/** A network on its way from a traced graph to the engine's description: the values that have numbers, and the operations so far. */
export class NetworkInMaking {
  readonly #values: { shape: readonly number[]; kind: ValueKind }[] = [];
  readonly #numbers = new Map<Value, number>();
  readonly #readers = new Map<Value, GraphNode[]>();
  readonly #operations: (OperationDescription | PlannedConvolution)[] = [];
  /** The node that each operation begins with. */
  readonly #nodes: (GraphNode | undefined)[] = [];
  readonly #learning = new Set<Tensor>();
  readonly #learns = new Set<Value>();
  /** The node whose operation is being added. */
  lowering: GraphNode | undefined;
  /** Zeros around images that the convolution after them brings itself. */
  readonly margins = new Map<Value, { readonly from: Value; readonly margins: Quad }>();

  constructor(
    readonly graph: Graph,
    readonly memory: Memory,
    readonly options: LoweringOptions,
  ) {
    for (const node of graph.nodes) {
      const read = valuesRead(node);
      for (const value of read) this.#readers.set(value, [...(this.#readers.get(value) ?? []), node]);
      if (read.some((value) => this.#isLearning(value) || this.#learns.has(value))) this.#learns.add(node.output);
    }
  }

  add<Operation extends OperationDescription>(operation: Operation): void {
    this.#push(operation);
  }

  /** Has a value come from JavaScript. */
  enter(value: Value, { place, gradient }: Place): void {
    const kind = this.hasOwnChannels(value) ? "input" : "between";
    this.add<EnterOperation>({ kind: "enter", output: this.number(value, kind), place, gradient });
  }

  /** Has a value go to JavaScript. @param input its number */
  leave(input: number, { place, gradient }: Place): void {
    this.add<LeaveOperation>({ kind: "leave", input, place, gradient });
  }

  /** Adds a convolution, whose algorithms are chosen when all of the network's convolutions are known. */
  addConvolution(convolution: Convolution, operation: (algorithms: Algorithms) => OperationDescription): void {
    this.#push(new PlannedConvolution(convolution, operation));
  }

  #push(operation: OperationDescription | PlannedConvolution): void {
    this.#operations.push(operation);
    this.#nodes.push(this.lowering);
  }

  get operationCount(): number {
    return this.#operations.length;
  }

  lowered(): LoweredOperations {
    return {
      description: this.#description(),
      learning: this.#learning,
      nodeOf: (operation) => this.#nodes[operation],
    };
  }

  #description(): NetworkDescription {
    const { bfloat16, training } = this.options;
    const planned = this.#operations.filter((operation) => operation instanceof PlannedConvolution);
    const { channelsLast, algorithms } = this.memory.plan(planned.map(({ convolution }) => convolution));
    const chosen = new Map(planned.map((operation, index) => [operation, algorithms[index] as Algorithms]));
    const operations = this.#operations.map((operation) =>
      operation instanceof PlannedConvolution ? operation.by(chosen.get(operation) as Algorithms) : operation,
    );
    return { bfloat16, training, channelsLast, values: this.#values, operations };
  }

  /** Gives a value that an operation makes its number. */
  number(value: Value, kind: ValueKind = "between"): number {
    this.#numbers.set(value, this.#values.length);
    this.#values.push({ shape: this.shape(value), kind });
    return this.#values.length - 1;
  }

  /** The number of a value that an operation reads. @throws UnsupportedLayer where none has made it */
  read(value: Value | NodeArgument): number {
    const number = isValue(value) ? this.#numbers.get(value) : undefined;
    if (number === undefined) throw new UnsupportedLayer("a value that is not computed from the images");
    return number;
  }

  /** The number of one of the network's results. @throws UnsupportedLayer where it is none that the engine gives */
  readOutput(value: Value): number {
    const number = this.#numbers.get(value);
    if (number === undefined || this.#values[number]?.kind !== "output") {
      throw new UnsupportedLayer("a network that does not end in a linear layer");
    }
    return number;
  }

  /** Where one of the network's results goes. */
  resultPlace(index: number): Place {
    const place = this.memory.outputs[index];
    if (!place) throw new Error(`there is no place for the network's result ${index}`);
    return place;
  }

  /** Whether a value depends on a parameter that learns. */
  learns(value: Value): boolean {
    return this.#learns.has(value);
  }

  #isLearning(value: Value): boolean {
    const tensor = this.graph.parameters.get(value);
    return this.options.training && tensor !== undefined && this.memory.gradient(tensor) !== undefined;
  }

  /** The traced shape with the batch that is wanted. */
  shape({ shape }: Value): number[] {
    return [this.options.batch, ...shape.slice(1)];
  }

  /** So many channels with those that only fill the last block. */
  wholeBlocks(channels: number): number {
    const { block } = this.options;
    return Math.ceil(channels / block) * block;
  }

  /** The parameter or buffer that is an argument. @throws UnsupportedLayer where it is computed */
  tensor(argument: NodeArgument): Tensor {
    const tensor = isValue(argument) ? this.graph.parameters.get(argument) : undefined;
    if (!tensor) throw new UnsupportedLayer("a weight that is computed");
    return tensor;
  }

  /** Where a parameter's gradient goes; undefined where it does not learn, and in inference. */
  gradient(tensor: Tensor): Float32Array | undefined {
    const gradient = this.options.training ? this.memory.gradient(tensor) : undefined;
    if (gradient) this.#learning.add(tensor);
    return gradient?.floats;
  }

  /** Whether a value is the network's images, in a layout of just their channels that suits the convolution that reads them. */
  hasOwnChannels(value: Value): boolean {
    return value === this.graph.input && this.options.ownChannels && this.#isForConvolution(value);
  }

  /** Whether one convolution reads the images, with zeros around them or without, and nothing else: that may choose their layout. */
  #isForConvolution(images: Value): boolean {
    const reader = this.onlyReader(images);
    const [, margins] = reader?.arguments ?? [];
    const isAround = Array.isArray(margins) && margins.slice(4).every((zeros) => zeros === 0);
    const isPadding = reader?.operator === "aten::constant_pad_nd" && isAround;
    return (isPadding ? this.onlyReader(reader.output) : reader)?.operator === "aten::conv2d";
  }

  /** The one node that reads a value, where there is just one and the value is no output. */
  onlyReader(value: Value): GraphNode | undefined {
    const readers = this.#readers.get(value) ?? [];
    return readers.length === 1 && !this.graph.outputs.includes(value) ? readers[0] : undefined;
  }
}
