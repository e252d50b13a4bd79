/** How ATen operators are said in ONNX: in words that its operator sets 13 to 22 all have, with the same meaning. */
import { KnackError } from "../base/errors.js";
import { type GraphNode, isValue, type NodeArgument, type Value } from "../nn/graph/graph.js";

export type Attributes = Readonly<Record<string, number | readonly number[]>>;

/** A constant input of an operator. */
export interface Constant {
  /** [] for a scalar. */
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

/** An ONNX operator: inputs in order, undefined for an optional one that is left out. */
export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly (Value | Constant | undefined)[];
  /** Numbers are ints, but for those of FLOAT_ATTRIBUTES. */
  readonly attributes?: Attributes;
}

/** The attributes of the operators below that are floats. */
export const FLOAT_ATTRIBUTES: ReadonlySet<string> = new Set(["epsilon"]);

/** A node's operators in ONNX, each reading the one before as its first input, but for the first, which says what it reads. */
type Rule = (node: GraphNode) => OnnxNode[];

const RULES: Readonly<Record<string, Rule>> = {
  "aten::conv2d": (node) => {
    const [input, weight, bias, stride, padding, dilation, groups] = node.arguments;
    return [
      {
        operator: "Conv",
        inputs: [value(node, input), value(node, weight), optionalValue(bias)],
        attributes: {
          kernel_shape: value(node, weight).shape.slice(2),
          strides: pair(stride, 1),
          pads: bothSides(pair(padding, 0)),
          dilations: pair(dilation, 1),
          group: number(groups, 1),
        },
      },
    ];
  },
  "aten::batch_norm": (node) => {
    const [input, gamma, beta, mean, variance, training, , eps] = node.arguments;
    if (training !== false) throw unsupported(node, "in training mode");
    const inputs = [input, gamma, beta, mean, variance].map((argument) => value(node, argument));
    return [{ operator: "BatchNormalization", inputs, attributes: { epsilon: number(eps, 1e-5) } }];
  },
  "aten::relu": (node) => [{ operator: "Relu", inputs: [value(node, node.arguments[0])] }],
  "aten::clamp": (node) => {
    const [input, lowest, highest] = node.arguments;
    const bound = (limit: NodeArgument) => (typeof limit === "number" ? scalar(limit) : undefined);
    return [{ operator: "Clip", inputs: [value(node, input), bound(lowest), bound(highest)] }];
  },
  "aten::max_pool2d": (node) => {
    const [input, kernel, stride, padding, dilation, ceilMode] = node.arguments;
    const attributes = pooling(node, kernel, stride, padding, dilation, ceilMode);
    return [{ operator: "MaxPool", inputs: [value(node, input)], attributes }];
  },
  "aten::avg_pool2d": (node) => {
    const [input, kernel, stride, padding, ceilMode, countPadding, divisor] = node.arguments;
    if (divisor !== undefined && divisor !== null) throw unsupported(node, "with a divisor");
    const { dilations: _, ...attributes } = pooling(node, kernel, stride, padding, 1, ceilMode);
    const count_include_pad = Number(countPadding !== false);
    // Whether what lies beyond the padding counts is told in other ways by other versions of ONNX.
    if (attributes.ceil_mode && count_include_pad) throw unsupported(node, "with ceil mode and padding counted");
    const complete = { ...attributes, count_include_pad };
    return [{ operator: "AveragePool", inputs: [value(node, input)], attributes: complete }];
  },
  "aten::mean.dim": (node) => {
    const [input, dims, keepDims] = node.arguments;
    const images = value(node, input);
    if (images.shape.length !== 4 || String(dims) !== "2,3") throw unsupported(node, "over other dimensions than 2, 3");
    const pool: OnnxNode = { operator: "GlobalAveragePool", inputs: [images] };
    return keepDims === true ? [pool] : [pool, { operator: "Flatten", inputs: [], attributes: { axis: 1 } }];
  },
  "aten::linear": (node) => {
    const [input, weight, bias] = node.arguments;
    const inputs = [value(node, input), value(node, weight), optionalValue(bias)];
    return [{ operator: "Gemm", inputs, attributes: { transB: 1 } }];
  },
  "aten::add.Tensor": (node) => {
    const [a, b, alpha] = node.arguments;
    if (number(alpha, 1) !== 1) throw unsupported(node, "with a factor");
    return [{ operator: "Add", inputs: [value(node, a), value(node, b)] }];
  },
  "aten::mul.Tensor": (node) => {
    const [a, b] = node.arguments;
    return [{ operator: "Mul", inputs: [value(node, a), value(node, b)] }];
  },
  "aten::reshape": (node) => {
    const [input, shape] = node.arguments;
    const from = value(node, input);
    const sizes = (Array.isArray(shape) ? shape : []).map(Number);
    // 0 keeps the input's: so that a batch can have any size.
    const kept = sizes.map((size, i) => (i === 0 && size === from.shape[0] ? 0 : size));
    return [{ operator: "Reshape", inputs: [from, integers(kept)] }];
  },
  "aten::to.dtype": (node) => {
    const [input, dtype] = node.arguments;
    if (dtype !== "float32") throw unsupported(node, `to ${String(dtype)}`);
    return [{ operator: "Identity", inputs: [value(node, input)] }];
  },
  "aten::cat": (node) => {
    const [tensors, dim] = node.arguments;
    const inputs = (Array.isArray(tensors) ? tensors : []).map((tensor) => value(node, tensor));
    return [{ operator: "Concat", inputs, attributes: { axis: number(dim, 0) } }];
  },
  "aten::constant_pad_nd": (node) => {
    const [input, padding, fill] = node.arguments;
    const images = value(node, input);
    // PyTorch: before and after of the last dimension first. ONNX: before of all dimensions, then after of all.
    const sides = (Array.isArray(padding) ? padding : []).map(Number);
    const side = (dimension: number, after: 0 | 1) => sides[2 * (images.shape.length - 1 - dimension) + after] ?? 0;
    const pads = ([0, 1] as const).flatMap((after) => images.shape.map((_, dimension) => side(dimension, after)));
    const filled = number(fill, 0);
    // ONNX Runtime's quantization loses a constant beside the pads.
    return [{ operator: "Pad", inputs: [images, integers(pads), filled === 0 ? undefined : scalar(filled)] }];
  },
};

/** Those of a graph's operators that cannot be said in ONNX. */
export function withoutRule(nodes: readonly GraphNode[]): string[] {
  return [...new Set(nodes.map(({ operator }) => operator).filter((operator) => !Object.hasOwn(RULES, operator)))];
}

/**
 * A node of a graph in ONNX: one operator, or several of which each but the first reads the one before it.
 *
 * @throws KnackError that names the operator where there is no way to say it.
 */
export function inOnnx(node: GraphNode): OnnxNode[] {
  const rule = RULES[node.operator];
  if (rule === undefined) throw unsupported(node, "");
  return rule(node);
}

function unsupported(node: GraphNode, how: string): KnackError {
  return new KnackError(`ONNX export: ${node.operator} ${how}${how && " "}cannot be exported`);
}

function value(node: GraphNode, argument: NodeArgument): Value {
  if (!isValue(argument)) throw unsupported(node, `with ${JSON.stringify(argument)} in place of a tensor`);
  return argument;
}

function optionalValue(argument: NodeArgument): Value | undefined {
  return isValue(argument) ? argument : undefined;
}

function number(argument: NodeArgument, otherwise: number): number {
  return argument === undefined ? otherwise : Number(argument);
}

/** PyTorch's "one number for both, or one each". */
function pair(argument: NodeArgument, otherwise: number): [number, number] {
  const [height, width = height] = [argument ?? otherwise].flat().map(Number);
  return [height ?? otherwise, width ?? otherwise];
}

function bothSides([height, width]: [number, number]): number[] {
  return [height, width, height, width];
}

function integers(values: readonly number[]): Constant {
  return { shape: [values.length], values: BigInt64Array.from(values, BigInt) };
}

function scalar(value: number): Constant {
  return { shape: [], values: Float32Array.of(value) };
}

/** A pooling's attributes. Its ceil mode is on only where it makes a difference, checked against what PyTorch computed. */
function pooling(
  node: GraphNode,
  kernel: NodeArgument,
  stride: NodeArgument,
  padding: NodeArgument,
  dilation: NodeArgument,
  ceilMode: NodeArgument,
) {
  const kernel_shape = pair(kernel, 1);
  const noStride = stride === undefined || (Array.isArray(stride) && stride.length === 0);
  const strides = noStride ? kernel_shape : pair(stride, 1);
  const [paddings, dilations] = [pair(padding, 0), pair(dilation, 1)];
  const sizes = (round: (x: number) => number) =>
    value(node, node.arguments[0])
      .shape.slice(2)
      .map((size, i) => {
        const window = (dilations[i] ?? 1) * ((kernel_shape[i] ?? 1) - 1) + 1;
        return round((size + 2 * (paddings[i] ?? 0) - window) / (strides[i] ?? 1)) + 1;
      });
  const actual = String(node.output.shape.slice(2));
  const ceil_mode = Number(ceilMode === true && actual !== String(sizes(Math.floor)));
  if (actual !== String(sizes(ceil_mode ? Math.ceil : Math.floor)))
    throw unsupported(node, "with a window beyond the image");
  return { kernel_shape, strides, pads: bothSides(paddings), dilations, ceil_mode };
}
