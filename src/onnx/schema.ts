/**
 * The part of ONNX's file format that knack writes and reads: messages and fields under the names and numbers of `onnx.proto`
 * (ONNX 1.17, https://github.com/onnx/onnx, Apache-2.0). What a file holds beyond them is skipped when it is read.
 */
import protobuf from "protobufjs";

const { root } = protobuf.parse(
  `
syntax = "proto2";
package onnx;

message ModelProto {
  optional int64 ir_version = 1;
  repeated OperatorSetIdProto opset_import = 8;
  optional string producer_name = 2;
  optional string producer_version = 3;
  optional string doc_string = 6;
  optional GraphProto graph = 7;
  repeated StringStringEntryProto metadata_props = 14;
}
message OperatorSetIdProto {
  optional string domain = 1;
  optional int64 version = 2;
}
message StringStringEntryProto {
  optional string key = 1;
  optional string value = 2;
}
message GraphProto {
  repeated NodeProto node = 1;
  optional string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  optional string name = 3;
  optional string op_type = 4;
  repeated AttributeProto attribute = 5;
  optional string domain = 7;
}
message AttributeProto {
  enum AttributeType {
    UNDEFINED = 0;
    FLOAT = 1;
    INT = 2;
    INTS = 7;
  }
  optional string name = 1;
  optional AttributeType type = 20;
  optional float f = 2;
  optional int64 i = 3;
  optional bytes s = 4;
  repeated int64 ints = 8;
}
message TensorProto {
  enum DataType {
    UNDEFINED = 0;
    FLOAT = 1;
    INT64 = 7;
  }
  repeated int64 dims = 1;
  optional int32 data_type = 2;
  repeated float float_data = 4 [packed = true];
  repeated int32 int32_data = 5 [packed = true];
  repeated int64 int64_data = 7 [packed = true];
  optional string name = 8;
  optional bytes raw_data = 9;
}
message ValueInfoProto {
  optional string name = 1;
  optional TypeProto type = 2;
}
message TypeProto {
  message Tensor {
    optional int32 elem_type = 1;
    optional TensorShapeProto shape = 2;
  }
  oneof value {
    Tensor tensor_type = 1;
  }
}
message TensorShapeProto {
  message Dimension {
    oneof value {
      int64 dim_value = 1;
      string dim_param = 2;
    }
  }
  repeated Dimension dim = 1;
}

// Not in onnx.proto: a ModelProto read for its metadata alone, without copying the weights.
message ModelMetadata {
  repeated StringStringEntryProto metadata_props = 14;
}
`,
  { keepCase: true },
);

export const ATTRIBUTE_TYPE = { float: 1, int: 2, ints: 7 } as const;
export const DATA_TYPE = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;

export interface AttributeProto {
  readonly name: string;
  readonly type: number;
  readonly f?: number;
  readonly i?: number;
  /** Text. */
  readonly s?: Uint8Array;
  readonly ints?: readonly number[];
}

export interface NodeProto {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly op_type: string;
  readonly attribute: readonly AttributeProto[];
  /** Whose operators these are; "" or nothing: ONNX's own. */
  readonly domain?: string;
}

export interface TensorProto {
  readonly dims: readonly number[];
  readonly data_type: number;
  readonly name: string;
  readonly raw_data: Uint8Array;
  /** Where other programs put elements, in place of `raw_data`. */
  readonly float_data?: readonly number[];
  readonly int32_data?: readonly number[];
  readonly int64_data?: readonly number[];
}

export interface ValueInfoProto {
  readonly name: string;
  readonly type: {
    readonly tensor_type: {
      readonly elem_type: number;
      /** Left out where it follows from the graph. */
      readonly shape?: { readonly dim: readonly ({ readonly dim_value: number } | { readonly dim_param: string })[] };
    };
  };
}

export interface StringStringEntryProto {
  readonly key: string;
  readonly value: string;
}

export interface ModelProto {
  readonly ir_version: number;
  readonly opset_import: readonly { readonly domain: string; readonly version: number }[];
  readonly producer_name: string;
  readonly producer_version: string;
  readonly doc_string: string;
  readonly graph: {
    readonly node: readonly NodeProto[];
    readonly name: string;
    readonly initializer: readonly TensorProto[];
    readonly input: readonly ValueInfoProto[];
    readonly output: readonly ValueInfoProto[];
  };
  readonly metadata_props: readonly StringStringEntryProto[];
}

const modelType = root.lookupType("onnx.ModelProto");
const metadataType = root.lookupType("onnx.ModelMetadata");

export function encodeModel(model: ModelProto): Uint8Array {
  return modelType.encode(model).finish();
}

/** @throws Error where the bytes are no protobuf. */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return modelType.toObject(modelType.decode(bytes), { longs: Number, defaults: true, arrays: true }) as ModelProto;
}

/**
 * The metadata of a model's bytes.
 *
 * @throws Error where they are no protobuf.
 */
export function decodeMetadata(bytes: Uint8Array): Record<string, string> {
  const message = metadataType.toObject(metadataType.decode(bytes), { defaults: true, arrays: true });
  const entries = message.metadata_props as StringStringEntryProto[];
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}
