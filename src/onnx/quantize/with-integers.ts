import { ATTRIBUTE_TYPE, DATA_TYPE, type ModelProto, type NodeProto, type TensorProto } from "../schema.js";
import { type Grid, gridOf, integerBias, integerWeights, type Range } from "./integers.js";
import { integerUnits, type Unit, type Units } from "./units.js";

export interface IntegerForm {
  /** Of each tensor that may become integers. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** The layers that stay as they are. */
  readonly inFloat: ReadonlySet<string>;
  /** The largest magnitude of a weight's integer: 127, or less. */
  readonly largestWeight: number;
}

/**
 * The model with QuantizeLinear and DequantizeLinear around what is to be computed in integers, in the order that runtimes know: of an
 * integer unit everything read comes from a DequantizeLinear, and its output goes to a QuantizeLinear alone. Activations are uint8, weights
 * int8 for each output channel, biases int32.
 */
export function withIntegers(model: ModelProto, units: Units, form: IntegerForm): ModelProto {
  const integer = integerUnits(units, form.inFloat);
  const makers = new Map(units.all.map((unit) => [unit.output, unit]));
  const last = new Set(model.graph.output.map(({ name }) => name));
  const initializer: TensorProto[] = [];
  const node: NodeProto[] = [];

  const isInteger = (unit: Unit | undefined) => unit !== undefined && integer.has(unit);
  const gridFor = (tensor: string): Grid => {
    const maker = makers.get(tensor);
    if (maker?.passesOn && isInteger(maker)) return gridFor(maker.inputs[0] as string);
    return gridOf(form.ranges.get(tensor) as Range);
  };
  const constant = (name: string, type: keyof typeof DATA_TYPE, dims: readonly number[], values: Numbers) => {
    const raw_data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    initializer.push({ name, dims, data_type: DATA_TYPE[type], raw_data });
    return name;
  };
  /** Integers that are constant, as numbers again. */
  const constantNumbers = (
    name: string,
    type: "int8" | "int32",
    dims: readonly number[],
    { values, scales }: { values: Int8Array | Int32Array; scales: Float32Array },
  ) => {
    const zeros = type === "int8" ? new Int8Array(scales.length) : new Int32Array(scales.length);
    const input = [
      constant(`${name}_quantized`, type, dims, values),
      constant(`${name}_scale`, "float32", [scales.length], scales),
      constant(`${name}_zero_point`, type, [scales.length], zeros),
    ];
    const attribute = [{ name: "axis", type: ATTRIBUTE_TYPE.int, i: 0 }];
    const output = `${name}_dequantized`;
    node.push({ name: output, op_type: "DequantizeLinear", input, output: [output], attribute });
    return output;
  };
  /** A tensor rounded to its grid. */
  const round = (tensor: string) => {
    const { scale, zeroPoint } = gridFor(tensor);
    const grid = [
      constant(`${tensor}_scale`, "float32", [], Float32Array.of(scale)),
      constant(`${tensor}_zero_point`, "uint8", [], Uint8Array.of(zeroPoint)),
    ];
    const [integers, numbers] = [`${tensor}_quantized`, rounded(tensor)];
    node.push(
      { name: integers, op_type: "QuantizeLinear", input: [tensor, ...grid], output: [integers], attribute: [] },
      { name: numbers, op_type: "DequantizeLinear", input: [integers, ...grid], output: [numbers], attribute: [] },
    );
  };
  const constants = ({ node: { name, input } }: Unit): string[] => {
    const [read = "", weightName = "", biasName = ""] = input;
    const weight = units.initializers.get(weightName) as TensorProto;
    const bias = units.initializers.get(biasName);
    const { scale } = gridFor(read);
    const [channels = 0] = weight.dims;
    const biases = bias && floats(bias);
    const integers = integerWeights(floats(weight), channels, form.largestWeight, biases, scale);
    const weights = constantNumbers(`${name}_weight`, "int8", weight.dims, integers);
    if (!biases) return [weights];
    return [weights, constantNumbers(`${name}_bias`, "int32", [channels], integerBias(biases, integers.scales, scale))];
  };

  const readByIntegers = new Set([...integer].flatMap(({ inputs }) => inputs));
  const roundIfRead = (tensor: string) => {
    const made = isInteger(makers.get(tensor));
    if (!last.has(tensor) && (made || readByIntegers.has(tensor))) round(tensor);
  };
  /** What a unit in float reads: the integers' numbers where there are no others. */
  const asRead = (tensor: string) => (isInteger(makers.get(tensor)) ? rounded(tensor) : tensor);
  /**
   * The same for a layer left in float: by a scale for each channel, all of them alike. ONNX Runtime turns the weights of a layer between
   * integers of one scale into integers of its own.
   */
  const readByLayer = ({ node: { name, input, attribute } }: Unit): string => {
    const [tensor = "", weight = ""] = input;
    if (!isInteger(makers.get(tensor))) return tensor;
    const groups = attribute.find((each) => each.name === "group")?.i ?? 1;
    const channels = groups * (units.initializers.get(weight)?.dims[1] ?? 0);
    const { scale, zeroPoint } = gridFor(tensor);
    const grid = [
      constant(`${name}_input_scale`, "float32", [channels], new Float32Array(channels).fill(scale)),
      constant(`${name}_input_zero_point`, "uint8", [channels], new Uint8Array(channels).fill(zeroPoint)),
    ];
    const output = `${name}_input_dequantized`;
    const axis = [{ name: "axis", type: ATTRIBUTE_TYPE.int, i: 1 }];
    const integers = `${tensor}_quantized`;
    node.push({
      name: output,
      op_type: "DequantizeLinear",
      input: [integers, ...grid],
      output: [output],
      attribute: axis,
    });
    return output;
  };

  for (const { name } of model.graph.input) roundIfRead(name);
  for (const unit of units.all) {
    if (isInteger(unit)) {
      const { node: own, layer, inputs, output } = unit;
      const isRead = (name: string) => inputs.includes(name);
      const input =
        layer === undefined
          ? own.input.map((name) => (isRead(name) ? rounded(name) : name))
          : [rounded(own.input[0] as string), ...constants(unit)];
      // An output of the network stays a number; so what would have cut it off stays too.
      const keeps = unit.activation && last.has(output);
      node.push({ ...own, input, output: keeps ? own.output : [output] });
      if (keeps) node.push(unit.activation);
    } else {
      const { node: own, activation, layer } = unit;
      const input = layer === undefined ? own.input.map(asRead) : [readByLayer(unit), ...own.input.slice(1)];
      node.push({ ...own, input });
      if (activation) node.push(activation);
    }
    roundIfRead(unit.output);
  }
  const used = new Set(node.flatMap(({ input }) => input));
  const kept = model.graph.initializer.filter(({ name }) => used.has(name));
  return { ...model, graph: { ...model.graph, node, initializer: [...kept, ...initializer] } };
}

type Numbers = Float32Array | Int32Array | Int8Array | Uint8Array;

function rounded(tensor: string): string {
  return `${tensor}_dequantized`;
}

function floats({ raw_data }: TensorProto): Float32Array {
  return new Float32Array(raw_data.slice().buffer);
}
