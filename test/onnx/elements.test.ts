import assert from "node:assert/strict";
import { test } from "node:test";
import { elementsOf } from "../../src/onnx/elements.js";
import { DATA_TYPE, decodeModel, encodeModel, type ModelProto, type TensorProto } from "../../src/onnx/schema.js";

const NONE = new Uint8Array();
const bytes = (values: Float32Array | Int32Array | Int8Array | BigInt64Array) => new Uint8Array(values.buffer);

test("constants are read from wherever a file has them, and refused where their number is another", () => {
  const tensors: [Omit<TensorProto, "name">, unknown][] = [
    [{ dims: [2], data_type: DATA_TYPE.float32, raw_data: bytes(Float32Array.of(1.5, -2)) }, Float32Array.of(1.5, -2)],
    [{ dims: [2], data_type: DATA_TYPE.float32, raw_data: NONE, float_data: [1.5, -2] }, Float32Array.of(1.5, -2)],
    [{ dims: [], data_type: DATA_TYPE.uint8, raw_data: NONE, int32_data: [200] }, Uint8Array.of(200)],
    [{ dims: [1, 3], data_type: DATA_TYPE.int8, raw_data: bytes(Int8Array.of(-127, 0, 5)) }, Int8Array.of(-127, 0, 5)],
    [{ dims: [2], data_type: DATA_TYPE.int8, raw_data: NONE, int32_data: [-3, 4] }, Int8Array.of(-3, 4)],
    [{ dims: [2], data_type: DATA_TYPE.int32, raw_data: bytes(Int32Array.of(-70_000, 4)) }, Int32Array.of(-70_000, 4)],
    [{ dims: [2], data_type: DATA_TYPE.int64, raw_data: bytes(BigInt64Array.of(-1n, 4n)) }, [-1, 4]],
    [{ dims: [2], data_type: DATA_TYPE.int64, raw_data: NONE, int64_data: [-1, 4] }, [-1, 4]],
    // In another file, of another length, cut off, of a type that is not read.
    [{ dims: [2], data_type: DATA_TYPE.float32, raw_data: NONE }, undefined],
    [{ dims: [3], data_type: DATA_TYPE.float32, raw_data: bytes(Float32Array.of(1, 2)) }, undefined],
    [{ dims: [1], data_type: DATA_TYPE.float32, raw_data: Uint8Array.of(1, 2, 3) }, undefined],
    [{ dims: [1], data_type: 11, raw_data: new Uint8Array(8) }, undefined],
  ];
  const initializer = tensors.map(([tensor], i) => ({ ...tensor, name: `${i}` }));
  const read = decodeModel(encodeModel({ graph: { initializer } } as unknown as ModelProto)).graph.initializer;
  for (const [i, [, expected]] of tensors.entries()) {
    assert.deepEqual(elementsOf(read[i] as TensorProto), expected, `constant ${i}`);
  }
});
