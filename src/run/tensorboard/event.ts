/**
 * The part of TensorBoard's event messages that knack writes, under the names and numbers of TensorFlow's `event.proto` and
 * `summary.proto` (https://github.com/tensorflow/tensorflow, Apache-2.0).
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
    oneof value {
      float simple_value = 2;
    }
  }
  repeated Value value = 1;
}
`,
  { keepCase: true },
);

const eventType = root.lookupType("tensorflow.Event");

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
