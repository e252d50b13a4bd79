import { DATA_TYPE, type TensorProto } from "./schema.js";

export type Elements = Float32Array | Int8Array | Uint8Array | Int32Array | readonly number[];

/** The elements of a constant, wherever the program that wrote it put them; undefined where they lie in another file, or are of a type without use here. */
export function elementsOf(tensor: TensorProto): Elements | undefined {
  const elements = read(tensor);
  return elements?.length === tensor.dims.reduce((product, size) => product * size, 1) ? elements : undefined;
}

function read({ data_type, raw_data, float_data = [], int32_data = [], int64_data = [] }: TensorProto) {
  // A copy, which starts where arrays of larger elements may.
  const raw = raw_data.length > 0 ? Uint8Array.from(raw_data).buffer : undefined;
  if (raw && raw.byteLength % (BYTES.get(data_type) ?? 1) !== 0) return undefined;
  switch (data_type) {
    case DATA_TYPE.float32:
      return raw ? new Float32Array(raw) : Float32Array.from(float_data);
    case DATA_TYPE.uint8:
      return raw ? new Uint8Array(raw) : Uint8Array.from(int32_data);
    case DATA_TYPE.int8:
      return raw ? new Int8Array(raw) : Int8Array.from(int32_data);
    case DATA_TYPE.int32:
      return raw ? new Int32Array(raw) : Int32Array.from(int32_data);
    case DATA_TYPE.int64:
      return raw ? Array.from(new BigInt64Array(raw), Number) : int64_data;
    default:
      return undefined;
  }
}

const BYTES: ReadonlyMap<number, number> = new Map([
  [DATA_TYPE.float32, 4],
  [DATA_TYPE.int32, 4],
  [DATA_TYPE.int64, 8],
]);
