/**
 * The part of TensorBoard's event messages that knack writes, under the names and numbers of TensorFlow's `event.proto`, `summary.proto` and `tensor.proto`
 * (https://github.com/tensorflow/tensorflow, Apache-2.0), of TensorBoard's `hparams/plugin_data.proto` (https://github.com/tensorflow/tensorboard, Apache-2.0)
 * and of protobuf's `struct.proto`.
 */
import protobuf from "protobufjs";

const { root } = protobuf.parse(
  `
syntax = "proto3";
package tensorflow;

message Event {
  double wall_time = 1;
  int64 step = 2;
  oneof what {
    string file_version = 3;
    Summary summary = 5;
  }
}
message Summary {
  message Value {
    string tag = 1;
    SummaryMetadata metadata = 9;
    oneof value {
      float simple_value = 2;
      TensorProto tensor = 8;
    }
  }
  repeated Value value = 1;
}
message SummaryMetadata {
  message PluginData {
    string plugin_name = 1;
    bytes content = 2;
  }
  PluginData plugin_data = 1;
}
message TensorProto {
  int32 dtype = 1;
  TensorShapeProto tensor_shape = 2;
  repeated float float_val = 5;
  repeated bytes string_val = 8;
}
message TensorShapeProto {
  message Dim {
    int64 size = 1;
  }
  repeated Dim dim = 2;
}

message HParamsPluginData {
  int32 version = 1;
  oneof data {
    SessionStartInfo session_start_info = 3;
    SessionEndInfo session_end_info = 4;
  }
}
message SessionStartInfo {
  map<string, Value> hparams = 1;
  double start_time_secs = 5;
}
message SessionEndInfo {
  int32 status = 1;
  double end_time_secs = 2;
}
message Value {
  oneof kind {
    double number_value = 2;
    string string_value = 3;
    bool bool_value = 4;
  }
}
`,
  { keepCase: true },
);

const eventType = root.lookupType("tensorflow.Event");
const hyperParametersType = root.lookupType("tensorflow.HParamsPluginData");

/** Elements of tensors. */
const [FLOAT, STRING] = [1, 7];
/** A session that ended well. */
const SUCCESS = 1;

/** The values of some curves at one step. */
export interface Scalars {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  /** By tag; what is no number is drawn as a gap that says so. */
  readonly values: Readonly<Record<string, number>>;
}

export function encodeScalars({ wallTime, step, values }: Scalars): Uint8Array {
  const value = Object.entries(values).map(([tag, simple_value]) => ({ tag, simple_value }));
  return eventType.encode({ wall_time: wallTime, step, summary: { value } }).finish();
}

/** What every event file begins with. */
export function encodeVersion(wallTime: number): Uint8Array {
  return eventType.encode({ wall_time: wallTime, file_version: "brain.Event:2" }).finish();
}

export type HyperParameter = number | boolean | string;

/** A text in Markdown for the tab TEXT. */
export function encodeText(wallTime: number, name: string, markdown: string): Uint8Array {
  const tensor = { dtype: STRING, tensor_shape: { dim: [{ size: 1 }] }, string_val: [Buffer.from(markdown)] };
  return encodePlugin(wallTime, `${name}/text_summary`, "text", Buffer.alloc(0), tensor);
}

/** What a run was started with, for the tab HPARAMS. */
export function encodeSessionStart(wallTime: number, values: Readonly<Record<string, HyperParameter>>): Uint8Array {
  const hparams = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, wrapped(value)]));
  return encodeSession(wallTime, "start", { session_start_info: { hparams, start_time_secs: wallTime } });
}

/** That a run came to its end. */
export function encodeSessionEnd(wallTime: number): Uint8Array {
  return encodeSession(wallTime, "end", { session_end_info: { status: SUCCESS, end_time_secs: wallTime } });
}

function encodeSession(wallTime: number, which: "start" | "end", data: object): Uint8Array {
  const content = hyperParametersType.encode({ version: 0, ...data }).finish();
  // The plugin looks at `content` alone, but a summary without a value is passed over.
  const tensor = { dtype: FLOAT, tensor_shape: {}, float_val: [0] };
  return encodePlugin(wallTime, `_hparams_/session_${which}_info`, "hparams", content, tensor);
}

function encodePlugin(
  wallTime: number,
  tag: string,
  plugin_name: string,
  content: Uint8Array,
  tensor: object,
): Uint8Array {
  const value = { tag, metadata: { plugin_data: { plugin_name, content } }, tensor };
  return eventType.encode({ wall_time: wallTime, summary: { value: [value] } }).finish();
}

function wrapped(value: HyperParameter): object {
  if (typeof value === "number") return { number_value: value };
  return typeof value === "boolean" ? { bool_value: value } : { string_value: value };
}
