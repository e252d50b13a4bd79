import { KnackError } from "../base/errors.js";
import type { Graph, Value } from "../nn/graph/graph.js";
import { VERSION } from "../base/version.js";
import { type Attributes, type Constant, FLOAT_ATTRIBUTES, inOnnx, withoutRule } from "./operators.js";
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  encodeModel,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./schema.js";

/** The operator sets that can be written, each with the file version it came with: ONNX 1.8 (2020) to 1.17. */
const IR_VERSIONS: ReadonlyMap<number, number> = new Map([
  [13, 7],
  [14, 7],
  [15, 8],
  [16, 8],
  [17, 8],
  [18, 8],
  [19, 9],
  [20, 9],
  [21, 10],
  [22, 10],
]);
export const OPSETS = [...IR_VERSIONS.keys()];
/** That of ONNX 1.12 (2022), which every current runtime reads. */
export const OPSET = 17;

/** The names of the exported model's input, [batch, C, H, W], and output, float32 [batch, K]. */
export const INPUT = "images";
export const OUTPUT = "logits";

/** protobuf's, and so ONNX's, limit for one file. */
const MAX_BYTES = 2 ** 31 - 1;

/** How a graph becomes a file. */
export interface OnnxForm {
  /** One of `OPSETS`. Default: `OPSET`. */
  readonly opset?: number | undefined;
  /** Images a batch; any number by default. */
  readonly batch?: number | undefined;
  /** The file takes the pictures' bytes (uint8) and normalises them itself: (byte / 255 - mean) / std. By default it takes normalised float32. */
  readonly normalise?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
}

/**
 * The bytes of an ONNX file that computes what the graph computes.
 *
 * @param metadata free text under keys, which stays with the model.
 * @throws KnackError where an operator cannot be said in ONNX, naming it, or the weights pass the format's 2 GB.
 */
export function exportOnnx(graph: Graph, metadata: Readonly<Record<string, string>>, form: OnnxForm = {}): Uint8Array {
  return encodeModel(onnxModel(graph, metadata, form));
}

/** What `exportOnnx` writes, as messages. @throws as it */
export function onnxModel(graph: Graph, metadata: Readonly<Record<string, string>>, form: OnnxForm = {}): ModelProto {
  const { opset = OPSET, batch, normalise } = form;
  const bytes = [...graph.parameters.keys()].reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
  if (bytes > MAX_BYTES) {
    throw new KnackError(`ONNX export: the weights take ${bytes} bytes, an ONNX file holds at most ${MAX_BYTES}`);
  }
  const initializer: TensorProto[] = [];
  for (const [{ name, shape }, tensor] of graph.parameters) {
    if (tensor.dtype !== "float32") throw new KnackError(`ONNX export: ${name} is ${tensor.dtype}, not float32`);
    initializer.push({ name, dims: shape, data_type: DATA_TYPE.float32, raw_data: tensor.bytes() });
  }
  const input = normalise ? NORMALISED : INPUT;
  const nameOf = (value: Value) => (value === graph.outputs[0] ? OUTPUT : value === graph.input ? input : value.name);
  const addConstant = (name: string, { shape, values }: Constant) => {
    const data_type = values instanceof Float32Array ? DATA_TYPE.float32 : DATA_TYPE.int64;
    initializer.push({ name, dims: shape, data_type, raw_data: new Uint8Array(values.buffer) });
    return name;
  };

  const missing = withoutRule(graph.nodes);
  if (missing.length > 0) throw new KnackError(`ONNX export: ${missing.join(", ")} cannot be exported`);
  const before = normalise ? normalising(normalise, addConstant) : [];
  const network = graph.nodes.flatMap((graphNode) => {
    const output = nameOf(graphNode.output);
    const parts = inOnnx(graphNode);
    return parts.map(({ operator, inputs, attributes = {} }, part): NodeProto => {
      const isLast = part === parts.length - 1;
      const name = isLast ? graphNode.output.name : `${graphNode.output.name}_${operator}`;
      const names = inputs.map((input, index) => {
        if (input === undefined) return "";
        return "values" in input ? addConstant(`${name}_constant_${index}`, input) : nameOf(input);
      });
      const previous = part === 0 ? [] : [`${graphNode.output.name}_${parts[part - 1]?.operator}`];
      return {
        name,
        op_type: operator,
        input: withoutTrailingBlanks([...previous, ...names]),
        output: [isLast ? output : name],
        attribute: Object.entries(attributes).map(attribute),
      };
    });
  });
  return {
    ir_version: IR_VERSIONS.get(opset) ?? 0,
    opset_import: [{ domain: "", version: opset }],
    producer_name: "knack",
    producer_version: VERSION,
    doc_string: `Input ${INPUT}: ${normalise ? "bytes of RGB or grey images" : "normalised RGB or grey images"}; output ${OUTPUT}: before softmax.`,
    graph: {
      name: "knack",
      node: [...before, ...network],
      initializer,
      input: [valueInfo(INPUT, graph.input, normalise ? "uint8" : "float32", batch)],
      output: [valueInfo(OUTPUT, graph.outputs[0], "float32", batch)],
    },
    metadata_props: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  };
}

function attribute([name, value]: [string, Attributes[string]]): AttributeProto {
  if (typeof value !== "number") return { name, type: ATTRIBUTE_TYPE.ints, ints: value };
  if (FLOAT_ATTRIBUTES.has(name)) return { name, type: ATTRIBUTE_TYPE.float, f: value };
  return { name, type: ATTRIBUTE_TYPE.int, i: value };
}

/** What the network reads where the file normalises. */
const NORMALISED = "images_normalised";

/** The operators that bring bytes to (byte / 255 - mean) / std. */
function normalising(
  { mean, std }: NonNullable<OnnxForm["normalise"]>,
  addConstant: (name: string, constant: Constant) => string,
): NodeProto[] {
  const perChannel = (name: string, values: readonly number[]) => {
    return addConstant(name, {
      shape: [values.length, 1, 1],
      values: Float32Array.from(values, (value) => 255 * value),
    });
  };
  const to = { name: "to", type: ATTRIBUTE_TYPE.int, i: DATA_TYPE.float32 };
  const node = (name: string, op_type: string, input: string[], attribute: AttributeProto[] = []): NodeProto => {
    return { name, op_type, input, output: [name], attribute };
  };
  return [
    node("images_float", "Cast", [INPUT], [to]),
    node("images_centred", "Sub", ["images_float", perChannel("images_mean", mean)]),
    node(NORMALISED, "Div", ["images_centred", perChannel("images_std", std)]),
  ];
}

/** Of the value's shape; any batch size where none is given. */
function valueInfo(
  name: string,
  { shape: [, ...sizes] }: Value,
  type: "float32" | "uint8",
  batch: number | undefined,
): ValueInfoProto {
  const first = batch === undefined ? { dim_param: "batch" } : { dim_value: batch };
  const dim = [first, ...sizes.map((size) => ({ dim_value: size }))];
  return { name, type: { tensor_type: { elem_type: DATA_TYPE[type], shape: { dim } } } };
}

/** Optional inputs that are left out are blank, but none may end the list. */
function withoutTrailingBlanks(names: readonly string[]): string[] {
  return names.slice(0, names.findLastIndex((name) => name !== "") + 1);
}
