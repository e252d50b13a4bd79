/** ONNX messages of small networks in integers of 8 bits, written by hand. */
import { INPUT, OUTPUT } from "../../src/onnx/export.js";
import type { Grid } from "../../src/onnx/quantize/integers.js";
import {
  ATTRIBUTE_TYPE,
  type AttributeProto,
  DATA_TYPE,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from "../../src/onnx/schema.js";

type Integers = Int8Array | Int32Array | Uint8Array;

export class IntegerModel {
  readonly #nodes: NodeProto[] = [];
  readonly #constants: TensorProto[] = [];

  constant(values: Float32Array | BigInt64Array | Integers, dims: readonly number[]): string {
    const name = `constant${this.#constants.length}`;
    const raw_data = new Uint8Array(values.slice().buffer);
    this.#constants.push({ name, dims, data_type: typeOf(values), raw_data });
    return name;
  }

  /** @returns the name of the node's output */
  node(
    op_type: string,
    input: readonly string[],
    attributes: Readonly<Record<string, number | readonly number[] | string>> = {},
    output = `${op_type}${this.#nodes.length}`,
  ): string {
    const attribute = Object.entries(attributes).map(([name, value]): AttributeProto => {
      if (typeof value === "number") return { name, type: ATTRIBUTE_TYPE.int, i: value };
      if (typeof value === "string") return { name, type: 3, s: Buffer.from(value) };
      return { name, type: ATTRIBUTE_TYPE.ints, ints: value };
    });
    this.#nodes.push({ name: output, op_type, input, output: [output], attribute });
    return output;
  }

  /** A tensor rounded to a grid. */
  rounded(tensor: string, grid: Grid): string {
    const constants = this.#grid(grid);
    return this.node("DequantizeLinear", [this.node("QuantizeLinear", [tensor, ...constants]), ...constants]);
  }

  /** Constant integers as numbers, by a scale for each index of the first dimension. */
  numbers(values: Int8Array | Int32Array, dims: readonly number[], scales: Float32Array): string {
    const zeros = values instanceof Int8Array ? new Int8Array(scales.length) : new Int32Array(scales.length);
    const constants = [
      this.constant(values, dims),
      this.constant(scales, [scales.length]),
      this.constant(zeros, [scales.length]),
    ];
    return this.node("DequantizeLinear", constants, { axis: 0 });
  }

  /** Numbers [N, channels, 1, 1] as logits: each channel's own. */
  end(tensor: string, channels: number, grid: Grid): ModelProto {
    const ones = Int8Array.from({ length: channels ** 2 }, (_, i) => (i % (channels + 1) === 0 ? 1 : 0));
    const flat = this.node("Flatten", [this.rounded(tensor, grid)], { axis: 1 });
    const weights = this.numbers(ones, [channels, channels], new Float32Array(channels).fill(1));
    this.node("Gemm", [this.rounded(flat, grid), weights], { transB: 1 }, OUTPUT);
    return this.model();
  }

  model(): ModelProto {
    const type = { tensor_type: { elem_type: DATA_TYPE.float32 } };
    return {
      ir_version: 8,
      opset_import: [{ domain: "", version: 17 }],
      producer_name: "the test",
      producer_version: "",
      doc_string: "",
      graph: {
        name: "by hand",
        node: this.#nodes,
        initializer: this.#constants,
        input: [{ name: INPUT, type }],
        output: [{ name: OUTPUT, type }],
      },
      metadata_props: [],
    };
  }

  #grid({ scale, zeroPoint }: Grid): string[] {
    return [this.constant(Float32Array.of(scale), []), this.constant(Uint8Array.of(zeroPoint), [])];
  }
}

function typeOf(values: Float32Array | BigInt64Array | Integers): number {
  if (values instanceof Float32Array) return DATA_TYPE.float32;
  if (values instanceof BigInt64Array) return DATA_TYPE.int64;
  if (values instanceof Int8Array) return DATA_TYPE.int8;
  return values instanceof Int32Array ? DATA_TYPE.int32 : DATA_TYPE.uint8;
}
