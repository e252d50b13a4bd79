import { UnsupportedLayer } from "../../engine/lowering/network.js";
import type { Quad, WindowGeometry } from "../../native/cpu/addon.js";
import type { NodeProto } from "../schema.js";
import { type Attributes, unsupported } from "./onnx-graph.js";

/** The attributes of windows over images. */
export const WINDOW_ATTRIBUTES = ["kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode"] as const;

/**
 * How a node's windows lie over images.
 *
 * @param kernel where the weights say it
 * @throws UnsupportedLayer where they have gaps, or the paddings are not said in numbers
 */
export function windowsOf(node: NodeProto, attributes: Attributes, kernel: readonly number[] = []): WindowGeometry {
  const [height = 0, width = 0, ...more] = attributes.ints("kernel_shape", kernel);
  const [rows = 1, columns = 1] = attributes.ints("strides", []);
  const [above = 0, left = 0, below = 0, right = 0] = attributes.ints("pads", []);
  const hasGaps = attributes.ints("dilations", []).some((step) => step !== 1);
  const isPadded = attributes.text("auto_pad", "NOTSET") !== "NOTSET";
  const isWindow =
    [height, width, rows, columns].every((size) => size >= 1) &&
    [above, left, below, right].every((zeros) => zeros >= 0);
  if (!isWindow || more.length > 0 || hasGaps || isPadded || attributes.int("ceil_mode", 0) !== 0) {
    throw unsupported(node, "over such windows");
  }
  return { kernel: [height, width], stride: [rows, columns], padding: [above, left, below, right] };
}

/** The sizes of what comes out of windows over images. */
export function afterWindows(
  [batch, , height, width]: Quad,
  channels: number,
  { kernel, stride, padding }: WindowGeometry,
): Quad {
  const along = (size: number, axis: 0 | 1) =>
    Math.floor((size + padding[axis] + padding[(axis + 2) as 2 | 3] - kernel[axis]) / stride[axis]) + 1;
  return [batch, channels, along(height, 0), along(width, 1)];
}

/** The sizes of activations as those of images. @throws UnsupportedLayer where they are none */
export function asImages(shape: readonly number[]): Quad {
  const [batch = 0, channels = 0, height, width] = shape;
  if (height === undefined || width === undefined) throw new UnsupportedLayer("windows over vectors");
  return [batch, channels, height, width];
}
