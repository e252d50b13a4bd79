import type { Clamp, FastOperation, NetworkDescription, NormParameters, Quad } from "../native/cpu/cpu-addon.js";
import { DROPOUT } from "../nn/layers/dropout.js";
import { type Graph, type GraphNode, isValue, type NodeArgument, type Value, valuesRead } from "../nn/graph/graph.js";
import type { Tensor } from "../tensor/tensor.js";
import type { ConvolutionShape } from "./convolution-algorithms.js";

/** A layer that the fast engine does not have. Whoever asked for a network then takes the plain path. */
export class UnsupportedLayer extends Error {}

/** Where a network's numbers lie; all of it in shared memory. */
export interface Memory {
  /** A parameter or buffer, float32. */
  readonly parameter: (tensor: Tensor) => Float32Array;
  /** Where its gradient goes; undefined where it does not learn. */
  readonly gradient: (tensor: Tensor) => Float32Array | undefined;
  readonly images: Float32Array;
  readonly outputs: readonly { readonly result: Float32Array; readonly gradient: Float32Array }[];
  /** The mask of the dropout that was traced with this seed. */
  readonly mask: (seed: number, shape: readonly number[]) => Float32Array;
  readonly algorithms: (shape: ConvolutionShape) => Extract<FastOperation, { kind: "convolution" }>["algorithms"];
}

export interface LoweringOptions {
  readonly batch: number;
  readonly training: boolean;
  readonly bfloat16: boolean;
}

/**
 * A traced network as operations of the fast engine, in an order in which they can run. A batch norm, the addition after it and the
 * activation after that become one operation, as do a convolution and what follows it in inference.
 *
 * @throws UnsupportedLayer that names the operator.
 */
export function lower(graph: Graph, memory: Memory, options: LoweringOptions): NetworkDescription {
  return new Lowering(graph, memory, options).description();
}

const WHOLE: Quad = [0, 0, 0, 0];

/** An operation's first node and what follows in it. */
interface Chain {
  readonly head: GraphNode;
  readonly residual: Value | undefined;
  /** The batch norm that the residual goes through. */
  readonly residualNorm: GraphNode | undefined;
  readonly clamp: Clamp | undefined;
}

class Lowering {
  readonly #values: { shape: readonly number[]; kind: "input" | "output" | "between" }[] = [];
  readonly #numbers = new Map<Value, number>();
  readonly #readers = new Map<Value, GraphNode[]>();
  readonly #operations: FastOperation[] = [];
  /** Nodes that became part of an operation further on. */
  readonly #absorbed = new Set<GraphNode>();
  /** What an operation that ends with this node begins with. */
  readonly #heads = new Map<GraphNode, Chain>();
  /** Zeros around images that the convolution after them brings itself. */
  readonly #margins = new Map<Value, { from: Value; margins: Quad }>();

  constructor(
    private readonly graph: Graph,
    private readonly memory: Memory,
    private readonly options: LoweringOptions,
  ) {
    for (const node of graph.nodes) {
      for (const value of valuesRead(node)) this.#readers.set(value, [...(this.#readers.get(value) ?? []), node]);
    }
  }

  description(): NetworkDescription {
    const { graph, memory, options } = this;
    for (const node of graph.nodes) this.#findChain(node);
    this.#operations.push({ kind: "input", output: this.#number(graph.input, "input"), pixels: memory.images });
    for (const node of graph.nodes) if (!this.#absorbed.has(node)) this.#lowerNode(node);
    for (const [index, output] of graph.outputs.entries()) {
      const place = memory.outputs[index];
      const input = this.#numbers.get(output);
      if (!place || input === undefined || this.#values[input]?.kind !== "output") {
        throw new UnsupportedLayer("a network that does not end in a linear layer");
      }
      this.#operations.push({ kind: "output", input, ...place });
    }
    return {
      bfloat16: options.bfloat16,
      training: options.training,
      values: this.#values,
      operations: this.#operations,
    };
  }

  /** The one node that reads a value, where there is just one and the value is no output. */
  #onlyReader(value: Value): GraphNode | undefined {
    const readers = this.#readers.get(value) ?? [];
    return readers.length === 1 && !this.graph.outputs.includes(value) ? readers[0] : undefined;
  }

  /** Notes what can be made in one go with a batch norm, or in inference with a convolution. */
  #findChain(head: GraphNode): void {
    const heads = this.options.training ? ["aten::batch_norm"] : ["aten::batch_norm", "aten::conv2d"];
    if (!heads.includes(head.operator) || this.#absorbed.has(head)) return;
    const chain = [head];
    let residual: Value | undefined;
    let residualNorm: GraphNode | undefined;
    const addition = this.#onlyReader(head.output);
    const isTaken = addition && (this.#absorbed.has(addition) || this.#heads.has(addition));
    if (addition?.operator === "aten::add.Tensor" && !isTaken) {
      const [first, second, alpha = 1] = addition.arguments;
      const other = first === head.output ? second : first;
      if (isValue(other) && other !== head.output && alpha === 1 && String(other.shape) === String(head.output.shape)) {
        residualNorm = this.#normOnlyFor(addition, other);
        if (residualNorm) chain.push(residualNorm);
        const [normalised] = residualNorm?.arguments ?? [];
        residual = isValue(normalised) ? normalised : other;
        chain.push(addition);
      }
    }
    const activation = this.#onlyReader((chain.at(-1) ?? head).output);
    const clamp = activation && clampOf(activation);
    if (clamp) chain.push(activation);
    const last = chain.pop();
    if (!last || last === head) return;
    for (const node of chain) this.#absorbed.add(node);
    this.#heads.set(last, { head, residual, residualNorm, clamp });
  }

  /** In training the batch norm that makes a value nobody else reads. */
  #normOnlyFor(reader: GraphNode, value: Value): GraphNode | undefined {
    if (!this.options.training || this.#onlyReader(value) !== reader) return undefined;
    const maker = this.graph.nodes.find(({ output }) => output === value);
    const isFree = maker && !this.#absorbed.has(maker) && !this.#heads.has(maker);
    return isFree && maker.operator === "aten::batch_norm" ? maker : undefined;
  }

  #lowerNode(node: GraphNode): void {
    const fused = this.#heads.get(node);
    const after = { residual: fused?.residual && this.#read(fused.residual), clamp: fused?.clamp };
    const head = fused?.head ?? node;
    switch (head.operator) {
      case "aten::conv2d":
        this.#convolution(head, node.output, after);
        break;
      case "aten::batch_norm":
        this.#batchNorm(head, node.output, {
          ...after,
          residualNorm: fused?.residualNorm && this.#norm(fused.residualNorm),
        });
        break;
      case "aten::constant_pad_nd":
        this.#padding(node);
        break;
      case "aten::max_pool2d":
      case "aten::avg_pool2d":
        this.#pooling(node);
        break;
      case "aten::mean.dim":
        this.#globalAverage(node);
        break;
      case "aten::linear":
        this.#linear(node);
        break;
      case "aten::cat":
        this.#concatenation(node);
        break;
      case "aten::relu":
      case "aten::clamp":
      case "aten::add.Tensor":
        this.#addition(node);
        break;
      case DROPOUT:
        this.#dropout(node);
        break;
      default:
        throw new UnsupportedLayer(head.operator);
    }
  }

  #convolution(
    node: GraphNode,
    output: Value,
    after: { residual: number | undefined; clamp: Clamp | undefined },
  ): void {
    const [input, weight, bias, stride = 1, padding = 0, dilation = 1, groups = 1] = node.arguments;
    if (!isValue(input) || !isValue(weight) || pairOf(dilation).some((step) => step !== 1)) throw unsupported(node);
    const { from, margins } = this.#margins.get(input) ?? { from: input, margins: WHOLE };
    const [rows, columns] = pairOf(padding);
    const around = [rows, columns, rows, columns].map((zeros, side) => zeros + (margins[side] ?? 0)) as unknown as Quad;
    const [outChannels = 0, , height = 0, width = 0] = weight.shape;
    const geometry = { kernel: [height, width], stride: pairOf(stride), padding: around } as const;
    const tensor = this.#tensor(weight);
    const [batch = 0, channels = 0, rowsIn = 0, columnsIn = 0] = this.#shape(from);
    const images: Quad = [batch, from === this.graph.input ? channels : wholeBlocks(channels), rowsIn, columnsIn];
    this.#operations.push({
      kind: "convolution",
      input: this.#read(from),
      output: this.#number(output),
      ...geometry,
      groups: Number(groups),
      algorithms: this.memory.algorithms({
        ...geometry,
        images,
        outChannels: wholeBlocks(outChannels),
        groups: Number(groups),
        bfloat16: this.options.bfloat16,
      }),
      weight: this.memory.parameter(tensor),
      weightGradient: this.#gradient(tensor),
      bias: isValue(bias) ? this.memory.parameter(this.#tensor(bias)) : undefined,
      ...after,
    });
  }

  #batchNorm(
    node: GraphNode,
    output: Value,
    after: { residual: number | undefined; residualNorm: NormParameters | undefined; clamp: Clamp | undefined },
  ): void {
    const [input] = node.arguments;
    const numbers = { input: this.#read(input), output: this.#number(output) };
    this.#operations.push({ kind: "batchNorm", ...numbers, ...this.#norm(node), ...after });
  }

  #norm(node: GraphNode): NormParameters {
    const [, gamma, beta, mean, variance, batchStatistics, momentum, eps] = node.arguments;
    if (![gamma, beta, mean, variance].every((value) => value !== undefined && isValue(value))) throw unsupported(node);
    const [gammas, betas] = [this.#tensor(gamma), this.#tensor(beta)];
    return {
      gamma: this.memory.parameter(gammas),
      gammaGradient: this.#gradient(gammas),
      beta: this.memory.parameter(betas),
      betaGradient: this.#gradient(betas),
      runningMean: this.memory.parameter(this.#tensor(mean)),
      runningVariance: this.memory.parameter(this.#tensor(variance)),
      eps: Number(eps),
      momentum: Number(momentum),
      batchStatistics: batchStatistics === true,
    };
  }

  /** Zeros around images go into the convolution that reads them; zeros beside channels are an operation. */
  #padding(node: GraphNode): void {
    const [input, margins, value] = node.arguments;
    if (!isValue(input) || !Array.isArray(margins) || value !== 0) throw unsupported(node);
    const [left = 0, right = 0, top = 0, bottom = 0, before = 0, after = 0] = margins.map(Number);
    const around: Quad = [top, left, bottom, right];
    if (before === 0 && after === 0 && this.#onlyReader(node.output)?.operator === "aten::conv2d") {
      this.#margins.set(node.output, { from: input, margins: around });
    } else if (around.every((zeros) => zeros === 0)) {
      this.#operations.push({
        kind: "channelPadding",
        input: this.#read(input),
        output: this.#number(node.output),
        before,
      });
    } else {
      throw unsupported(node);
    }
  }

  #pooling(node: GraphNode): void {
    const isMax = node.operator === "aten::max_pool2d";
    const [input, kernelGiven, strideGiven, paddingGiven] = node.arguments;
    const [dilation, ceil] = isMax ? node.arguments.slice(4) : [1, node.arguments[4]];
    const countPadding = !isMax && (node.arguments[5] ?? true) === true;
    const fixedDivisor = isMax ? undefined : node.arguments[6];
    if (
      !isValue(input) ||
      (dilation ?? 1) !== 1 ||
      (fixedDivisor ?? null) !== null ||
      (ceil === true && countPadding)
    ) {
      throw unsupported(node);
    }
    const kernel = pairOf(kernelGiven);
    const stride = pairOf(strideGiven ?? kernelGiven);
    const [rows, columns] = pairOf(paddingGiven ?? 0);
    // Windows of ceil mode stick out at the bottom and the right.
    const beyond = (axis: 0 | 1, zeros: number) => {
      const [from = 0, to = 0] = [input.shape[axis + 2], node.output.shape[axis + 2]];
      return Math.max(zeros, (to - 1) * stride[axis] + kernel[axis] - from - zeros);
    };
    const padding: Quad = [rows, columns, beyond(0, rows), beyond(1, columns)];
    const places = { input: this.#read(input), output: this.#number(node.output) };
    if (isMax) this.#operations.push({ kind: "maxPool", ...places, kernel, stride, padding });
    else this.#operations.push({ kind: "averagePool", ...places, kernel, stride, padding, countPadding });
  }

  #globalAverage(node: GraphNode): void {
    const [input, dims, keepDims] = node.arguments;
    if (!isValue(input) || String(dims) !== "2,3" || keepDims === true) throw unsupported(node);
    this.#operations.push({ kind: "globalAverage", input: this.#read(input), output: this.#number(node.output) });
  }

  #linear(node: GraphNode): void {
    const [input, weight, bias] = node.arguments;
    if (!isValue(input) || !isValue(weight) || input.shape.length !== 2) throw unsupported(node);
    const weights = this.#tensor(weight);
    const biases = isValue(bias) ? this.#tensor(bias) : undefined;
    const kind = this.graph.outputs.includes(node.output) ? "output" : "between";
    this.#operations.push({
      kind: "linear",
      input: this.#read(input),
      output: this.#number(node.output, kind),
      weight: this.memory.parameter(weights),
      weightGradient: this.#gradient(weights),
      bias: biases && this.memory.parameter(biases),
      biasGradient: biases && this.#gradient(biases),
    });
  }

  #concatenation(node: GraphNode): void {
    const [inputs, dim] = node.arguments;
    if (!Array.isArray(inputs) || dim !== 1 || node.output.shape.length !== 4) throw unsupported(node);
    const values = inputs.filter(isValue);
    // An input that does not fill its last block of channels would leave a gap.
    if (values.slice(0, -1).some(({ shape: [, channels = 0] }) => channels % BLOCK !== 0)) throw unsupported(node);
    const numbers = values.map((value) => this.#read(value));
    this.#operations.push({ kind: "concatenation", inputs: numbers, output: this.#number(node.output) });
  }

  #addition(node: GraphNode): void {
    const clamp = clampOf(node);
    const [input, other, alpha = 1] = node.arguments;
    if (!isValue(input) || node.output.shape.length !== 4) throw unsupported(node);
    if (!clamp && (!isValue(other) || other === input || alpha !== 1 || String(other.shape) !== String(input.shape))) {
      throw unsupported(node);
    }
    this.#operations.push({
      kind: "addition",
      input: this.#read(input),
      other: clamp ? undefined : this.#read(other as Value),
      output: this.#number(node.output),
      clamp,
    });
  }

  #dropout(node: GraphNode): void {
    const [input, , seed] = node.arguments;
    if (!isValue(input) || input.shape.length !== 2) throw unsupported(node);
    this.#operations.push({
      kind: "mask",
      input: this.#read(input),
      output: this.#number(node.output),
      mask: this.memory.mask(Number(seed), this.#shape(input)),
    });
  }

  #gradient(tensor: Tensor): Float32Array | undefined {
    return this.options.training ? this.memory.gradient(tensor) : undefined;
  }

  #tensor(argument: NodeArgument): Tensor {
    const tensor = isValue(argument) ? this.graph.parameters.get(argument) : undefined;
    if (!tensor) throw new UnsupportedLayer("a weight that is computed");
    return tensor;
  }

  /** The traced shape with the batch that is wanted. */
  #shape({ shape }: Value): number[] {
    return [this.options.batch, ...shape.slice(1)];
  }

  #number(value: Value, kind: "input" | "output" | "between" = "between"): number {
    this.#numbers.set(value, this.#values.length);
    this.#values.push({ shape: this.#shape(value), kind });
    return this.#values.length - 1;
  }

  #read(value: Value | NodeArgument): number {
    const number = isValue(value) ? this.#numbers.get(value) : undefined;
    if (number === undefined) throw new UnsupportedLayer("a value that is not computed from the images");
    return number;
  }
}

/** Channels that lie side by side in the engine's memory. */
const BLOCK = 16;
const wholeBlocks = (channels: number) => Math.ceil(channels / BLOCK) * BLOCK;

function unsupported({ operator }: GraphNode): UnsupportedLayer {
  return new UnsupportedLayer(operator);
}

function clampOf({ operator, arguments: [, low, high] }: GraphNode): Clamp | undefined {
  if (operator === "aten::relu") return { low: 0, high: Number.POSITIVE_INFINITY, gradientAtBorders: false };
  if (operator !== "aten::clamp") return undefined;
  return {
    low: Number(low ?? Number.NEGATIVE_INFINITY),
    high: Number(high ?? Number.POSITIVE_INFINITY),
    gradientAtBorders: true,
  };
}

/** "int[2]" as libtorch reads it: one number for both. */
function pairOf(argument: NodeArgument): readonly [number, number] {
  if (Array.isArray(argument)) return [Number(argument[0]), Number(argument[1] ?? argument[0])];
  return [Number(argument), Number(argument)];
}
