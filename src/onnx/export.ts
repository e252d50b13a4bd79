import { KnackError } from "../base/errors.js";
import type { Graph, Value } from "../nn/graph/graph.js";
import { VERSION } from "../base/version.js";
import { type Attributes, type Constant, FLOAT_ATTRIBUTES, inOnnx, withoutRule } from "./operators.js";
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  encodeModel,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./schema.js";

/** ONNX's operator set and file version: those of ONNX 1.12 (2022), which every current runtime reads. */
export const OPSET = 17;
export const IR_VERSION = 8;

/** The names of the exported model's input, float32 [batch, C, H, W], normalised, and output, float32 [batch, K]. */
export const INPUT = "images";
export const OUTPUT = "logits";

/** protobuf's, and so ONNX's, limit for one file. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * The bytes of an ONNX file that computes what the graph computes, for any batch size.
 *
 * @param metadata free text under keys, which stays with the model.
 * @throws KnackError where an operator cannot be said in ONNX, naming it, or the weights pass the format's 2 GB.
 */
export function exportOnnx(graph: Graph, metadata: Readonly<Record<string, string>>): Uint8Array {
  const bytes = [...graph.parameters.keys()].reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
  if (bytes > MAX_BYTES) {
    throw new KnackError(`ONNX export: the weights take ${bytes} bytes, an ONNX file holds at most ${MAX_BYTES}`);
  }
  const initializer: TensorProto[] = [];
  for (const [{ name, shape }, tensor] of graph.parameters) {
    if (tensor.dtype !== "float32") throw new KnackError(`ONNX export: ${name} is ${tensor.dtype}, not float32`);
    initializer.push({ name, dims: shape, data_type: DATA_TYPE.float32, raw_data: tensor.bytes() });
  }
  const nameOf = (value: Value) => (value === graph.outputs[0] ? OUTPUT : value === graph.input ? INPUT : value.name);
  const addConstant = (name: string, { shape, values }: Constant) => {
    const data_type = values instanceof Float32Array ? DATA_TYPE.float32 : DATA_TYPE.int64;
    initializer.push({ name, dims: shape, data_type, raw_data: new Uint8Array(values.buffer) });
    return name;
  };

  const missing = withoutRule(graph.nodes);
  if (missing.length > 0) throw new KnackError(`ONNX export: ${missing.join(", ")} cannot be exported`);
  const node = graph.nodes.flatMap((graphNode) => {
    const output = nameOf(graphNode.output);
    const parts = inOnnx(graphNode);
    return parts.map(({ operator, inputs, attributes = {} }, part): NodeProto => {
      const isLast = part === parts.length - 1;
      const name = isLast ? graphNode.output.name : `${graphNode.output.name}_${operator}`;
      const names = inputs.map((input, index) => {
        if (input === undefined) return "";
        return "values" in input ? addConstant(`${name}_constant_${index}`, input) : nameOf(input);
      });
      const before = part === 0 ? [] : [`${graphNode.output.name}_${parts[part - 1]?.operator}`];
      return {
        name,
        op_type: operator,
        input: withoutTrailingBlanks([...before, ...names]),
        output: [isLast ? output : name],
        attribute: Object.entries(attributes).map(attribute),
      };
    });
  });
  return encodeModel({
    ir_version: IR_VERSION,
    opset_import: [{ domain: "", version: OPSET }],
    producer_name: "knack",
    producer_version: VERSION,
    doc_string: `Input ${INPUT}: normalised RGB or grey images; output ${OUTPUT}: before softmax.`,
    graph: {
      name: "knack",
      node,
      initializer,
      input: [valueInfo(INPUT, graph.input)],
      output: [valueInfo(OUTPUT, graph.outputs[0])],
    },
    metadata_props: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}

function attribute([name, value]: [string, Attributes[string]]): AttributeProto {
  if (typeof value !== "number") return { name, type: ATTRIBUTE_TYPE.ints, ints: value };
  if (FLOAT_ATTRIBUTES.has(name)) return { name, type: ATTRIBUTE_TYPE.float, f: value };
  return { name, type: ATTRIBUTE_TYPE.int, i: value };
}

/** float32 of the value's shape, with any batch size. */
function valueInfo(name: string, { shape: [, ...sizes] }: Value): ValueInfoProto {
  const dim = [{ dim_param: "batch" }, ...sizes.map((size) => ({ dim_value: size }))];
  return { name, type: { tensor_type: { elem_type: DATA_TYPE.float32, shape: { dim } } } };
}

/** Optional inputs that are left out are blank, but none may end the list. */
function withoutTrailingBlanks(names: readonly string[]): string[] {
  return names.slice(0, names.findLastIndex((name) => name !== "") + 1);
}
