import { UnsupportedLayer } from "../../engine/lowering/network.js";
import type { NetworkDescription, OperationDescription, Quad } from "../../native/cpu/addon.js";
import type { Grid } from "../quantize/integers.js";
import type { NodeProto } from "../schema.js";
import { type Bounds, boundsOf } from "./bounds.js";
import { type OnnxGraph, unsupported } from "./onnx-graph.js";

/** An activation in integers, [N, C, H, W]; vectors are images of one pixel. */
export interface Integers {
  readonly number: number;
  readonly shape: Quad;
  readonly grid: Grid;
  /** The operation whose result it is, where that can do more. */
  readonly maker?: Adding | undefined;
}

/** An operation that can add something to its result before it is rounded. */
export interface Adding {
  /** What must be there before it runs has numbers below this one. */
  readonly number: number;
  /** @param ending of the sum */
  add(residual: Integers, ending: { readonly grid: Grid; readonly bounds: Bounds | undefined }): void;
}

/** An activation in float32: images [N, C, H, W] or vectors [N, C]. */
export interface Numbers {
  readonly number: number;
  readonly shape: readonly number[];
}

/** A constant in integers, symmetric: number = scale x integer. */
export interface Weights {
  readonly dims: readonly number[];
  readonly integers: Int8Array | Int32Array;
  /** One for each index of the first dimension. */
  readonly scales: Float32Array;
}

/** What becomes one with a node: the activation after it, and the rounding after that. */
export interface Ending {
  /** What it makes. */
  readonly tensor: string;
  readonly bounds: Bounds | undefined;
  /** Where it is rounded. */
  readonly grid: Grid | undefined;
}

interface PlannedOperation {
  description(): OperationDescription;
}

type ValueKind = NetworkDescription["values"][number]["kind"];

/** The network of an ONNX file on its way to the engine's description: what each tensor is there, and the operations so far. */
export class IntegerNetwork {
  readonly #values: { shape: readonly number[]; kind: ValueKind }[] = [];
  readonly #operations: PlannedOperation[] = [];
  readonly #integers = new Map<string, Integers>();
  readonly #numbers = new Map<string, Numbers>();
  readonly #weights = new Map<string, Weights>();
  readonly #absorbed = new Set<NodeProto>();

  /** @param exactBytes whether the processor adds products of any uint8 with any int8 in 32 bits */
  constructor(
    readonly graph: OnnxGraph,
    readonly exactBytes: boolean,
  ) {}

  add<Operation extends OperationDescription>(operation: Operation): void {
    this.#operations.push({ description: () => operation });
  }

  /** Adds one whose description is asked for at the end. */
  plan(operation: PlannedOperation): void {
    this.#operations.push(operation);
  }

  description(): NetworkDescription {
    const operations = this.#operations.map((operation) => operation.description());
    return { bfloat16: false, training: false, channelsLast: true, values: this.#values, operations };
  }

  /** A new value's number. */
  number(shape: readonly number[], kind: ValueKind): number {
    if (shape.some((size) => size < 1)) throw new UnsupportedLayer("images that become smaller than a pixel");
    this.#values.push({ shape, kind });
    return this.#values.length - 1;
  }

  /** The number of the value that is made for integers, which have that name from now on. */
  makeIntegers(tensor: string, shape: Quad, grid: Grid): number {
    const number = this.number(shape, "integers");
    this.#integers.set(tensor, { number, shape, grid });
    return number;
  }

  /** Gives integers, or the numbers they stand for, another name, and another grid where that is told. */
  nameIntegers(tensor: string, integers: Integers): void {
    this.#integers.set(tensor, integers);
  }

  /** Those of that name, or that stand for the numbers of that name; undefined where it is something else. */
  integers(tensor: string | undefined): Integers | undefined {
    return this.#integers.get(tensor ?? "");
  }

  /** Adds an operation over float32, and the rounding of what it makes where that is rounded. */
  addOverNumbers(
    { tensor, grid }: Ending,
    shape: readonly number[],
    operation: (output: number) => OperationDescription,
  ): void {
    const isResult = tensor === this.graph.output;
    if (isResult && shape.length !== 2) throw new UnsupportedLayer("a network that does not end in a linear layer");
    const number = this.number(shape, isResult ? "output" : "between");
    this.add(operation(number));
    if (grid) this.addRounding(tensor, { number, shape }, grid);
    else this.#numbers.set(tensor, { number, shape });
  }

  addRounding(tensor: string, { number: input, shape }: Numbers, grid: Grid): void {
    const [batch = 0, channels = 0, height = 1, width = 1] = shape;
    const output = this.makeIntegers(tensor, [batch, channels, height, width], grid);
    this.add<ConversionOperation>({ kind: "int8FromNumbers", input, output, ...grid });
  }

  nameNumbers(tensor: string, numbers: Numbers): void {
    this.#numbers.set(tensor, numbers);
  }

  /** Those of that name; undefined where there are none, or only integers that stand for them. */
  knownNumbers(tensor: string): Numbers | undefined {
    return this.#numbers.get(tensor);
  }

  /** The network's logits, of a linear layer, or the numbers that integers stand for. @throws UnsupportedLayer where it makes something else */
  logits(): { readonly number: number; readonly classes: number } {
    const { output } = this.graph;
    const known = this.#numbers.get(output);
    if (known && this.#values[known.number]?.kind === "output") {
      return { number: known.number, classes: known.shape[1] ?? 0 };
    }
    const integers = this.#integers.get(output);
    const [batch, classes = 0, ...size] = integers?.shape ?? [];
    if (!integers || String(size) !== "1,1")
      throw new UnsupportedLayer("a network that does not end in a linear layer");
    const number = this.number([batch ?? 0, classes], "output");
    this.add<ConversionOperation>({ kind: "int8ToNumbers", input: integers.number, output: number, ...integers.grid });
    return { number, classes };
  }

  /** The numbers of that name in float32. @throws UnsupportedLayer where none are computed, or in another form */
  numbers(tensor: string, form: "images" | "vectors"): Numbers {
    const known = this.#numbers.get(tensor);
    const length = form === "images" ? 4 : 2;
    if (known?.shape.length === length) return known;
    const integers = this.#integers.get(tensor);
    const isVector = integers?.shape[2] === 1 && integers.shape[3] === 1;
    if (known || !integers || (form === "vectors" && !isVector)) throw new UnsupportedLayer(`${tensor} in this place`);
    const shape = integers.shape.slice(0, length);
    const number = this.number(shape, "between");
    this.add<ConversionOperation>({ kind: "int8ToNumbers", input: integers.number, output: number, ...integers.grid });
    this.#numbers.set(tensor, { number, shape });
    return { number, shape };
  }

  nameWeights(tensor: string, weights: Weights): void {
    this.#weights.set(tensor, weights);
  }

  /** A constant that is kept in int8; undefined where it is not. @throws UnsupportedLayer where the processor would add its products wrongly */
  weights(tensor: string | undefined): (Weights & { readonly integers: Int8Array }) | undefined {
    const weights = this.#weights.get(tensor ?? "");
    if (!(weights?.integers instanceof Int8Array)) return undefined;
    if (
      !this.exactBytes &&
      weights.integers.some((weight) => weight > MOST_WITHOUT_VNNI || weight < -MOST_WITHOUT_VNNI)
    ) {
      throw new UnsupportedLayer("exact sums of 8-bit weights on a processor without VNNI (of --reduce-range it has)");
    }
    return { ...weights, integers: weights.integers };
  }

  /** The numbers of a constant, however it is kept. @throws UnsupportedLayer where they are computed */
  constantNumbers(tensor: string): { readonly dims: readonly number[]; readonly values: Float32Array } {
    const weights = this.#weights.get(tensor);
    if (weights) {
      const { integers, scales, dims } = weights;
      const each = integers.length / scales.length;
      return {
        dims,
        values: Float32Array.from(integers, (value, i) => value * (scales[Math.floor(i / each)] as number)),
      };
    }
    const constant = this.graph.constant(tensor);
    if (!(constant?.elements instanceof Float32Array)) throw new UnsupportedLayer("a weight that is computed");
    return { dims: constant.dims, values: constant.elements };
  }

  /** The bias of a layer, undefined where it has none. @throws UnsupportedLayer where it is not one number for each channel */
  bias(layer: NodeProto, channels: number): Float32Array | undefined {
    const [, , name = ""] = layer.input;
    if (name === "") return undefined;
    const { values } = this.constantNumbers(name);
    if (values.length !== channels) throw unsupported(layer, "with a bias that is not one number for each channel");
    return values;
  }

  /** Takes in what becomes one with a node: an activation that alone reads it, and the rounding that alone reads that. */
  ending(node: NodeProto): Ending {
    const [own = ""] = node.output;
    const activation = this.graph.onlyReaderOf(own);
    const bounds = activation && boundsOf(activation, this.graph);
    if (bounds) this.absorb(activation);
    const tensor = bounds ? (activation.output[0] ?? "") : own;
    const rounding = this.graph.onlyReaderOf(tensor);
    if (rounding?.op_type !== "QuantizeLinear") return { tensor, bounds, grid: undefined };
    this.absorb(rounding);
    return { tensor: rounding.output[0] ?? "", bounds, grid: this.gridOf(rounding) };
  }

  absorb(node: NodeProto): void {
    this.#absorbed.add(node);
  }

  isAbsorbed(node: NodeProto): boolean {
    return this.#absorbed.has(node);
  }

  /** The grid of a QuantizeLinear or DequantizeLinear of activations. @throws UnsupportedLayer where they are not uint8, or have several */
  gridOf(node: NodeProto): Grid {
    const [, scaleName = "", zeroName = ""] = node.input;
    const scales = this.graph.constant(scaleName)?.elements;
    const zeros = zeroName === "" ? Uint8Array.of(0) : this.graph.constant(zeroName)?.elements;
    const [scale = 0, zeroPoint = 0] = [scales?.[0], zeros?.[0]];
    const isOne = scales?.every((each) => each === scale) && zeros?.every((each) => each === zeroPoint);
    if (!(zeros instanceof Uint8Array) || !isOne || !(scale > 0)) {
      throw unsupported(node, "of activations that are not uint8 with one scale");
    }
    return { scale, zeroPoint };
  }
}

interface ConversionOperation extends Grid {
  readonly kind: "int8ToNumbers" | "int8FromNumbers";
  readonly input: number;
  readonly output: number;
}

/** Two products of such weights with 255 fit into 16 bits. */
const MOST_WITHOUT_VNNI = 64;
