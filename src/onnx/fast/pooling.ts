import type { Quad, WindowGeometry } from "../../native/cpu/addon.js";
import type { NodeProto } from "../schema.js";
import type { Ending, Integers, IntegerNetwork } from "./integer-network.js";
import { Attributes, unsupported } from "./onnx-graph.js";
import { passOn } from "./regrid.js";
import type { Rule } from "./rule.js";
import { afterWindows, asImages, WINDOW_ATTRIBUTES, windowsOf } from "./windows.js";

interface IntegerMaxPool extends WindowGeometry {
  readonly kind: "int8MaxPool";
  readonly input: number;
  readonly output: number;
}

/** factor x the mean of input - inputZeroPoint, + outputZeroPoint, in steps of the result. */
interface IntegerAveragePool extends WindowGeometry {
  readonly kind: "int8AveragePool";
  readonly input: number;
  readonly output: number;
  readonly countPadding: boolean;
  readonly factor: number;
  readonly inputZeroPoint: number;
  readonly outputZeroPoint: number;
}

const WHOLE: Quad = [0, 0, 0, 0];

export const maxPool: Rule = (node, network) => {
  const windows = poolWindows(node, new Attributes(node, WINDOW_ATTRIBUTES));
  const ending = network.ending(node);
  const [inputName = ""] = node.input;
  const integers = network.integers(inputName);
  if (!integers) return poolNumbers(node, network, ending, { kind: "maxPool", ...windows });
  const shape = afterWindows(integers.shape, integers.shape[1], windows);
  const number = network.number(shape, "integers");
  network.add<IntegerMaxPool>({ kind: "int8MaxPool", input: integers.number, output: number, ...windows });
  passOn(network, ending, { number, shape, grid: integers.grid });
};

export const averagePool: Rule = (node, network) => {
  const attributes = new Attributes(node, [...WINDOW_ATTRIBUTES, "count_include_pad"]);
  const windows = poolWindows(node, attributes);
  const countPadding = attributes.int("count_include_pad", 0) !== 0;
  const ending = network.ending(node);
  const integers = network.integers(node.input[0]);
  if (!integers || !ending.grid)
    return poolNumbers(node, network, ending, { kind: "averagePool", ...windows, countPadding });
  average(node, network, ending, integers, windows, countPadding);
};

export const globalAveragePool: Rule = (node, network) => {
  new Attributes(node, []);
  const ending = network.ending(node);
  const [inputName = ""] = node.input;
  const integers = network.integers(inputName);
  if (integers && ending.grid) {
    const [, , height, width] = integers.shape;
    const whole = { kernel: [height, width], stride: [1, 1], padding: WHOLE } as const;
    return average(node, network, ending, integers, whole, false);
  }
  if (ending.bounds) throw unsupported(node, "with an activation");
  const input = network.numbers(inputName, "images");
  network.addOverNumbers(ending, input.shape.slice(0, 2), (output) => ({
    kind: "globalAverage",
    input: input.number,
    output,
  }));
};

function average(
  node: NodeProto,
  network: IntegerNetwork,
  { tensor, grid, bounds }: Ending,
  { number, shape, grid: from }: Integers,
  windows: WindowGeometry,
  countPadding: boolean,
): void {
  if (bounds || !grid) throw unsupported(node, "with an activation");
  network.add<IntegerAveragePool>({
    kind: "int8AveragePool",
    input: number,
    output: network.makeIntegers(tensor, afterWindows(shape, shape[1], windows), grid),
    ...windows,
    countPadding,
    factor: from.scale / grid.scale,
    inputZeroPoint: from.zeroPoint,
    outputZeroPoint: grid.zeroPoint,
  });
}

function poolNumbers(
  node: NodeProto,
  network: IntegerNetwork,
  ending: Ending,
  operation: WindowGeometry & { readonly kind: "maxPool" | "averagePool"; readonly countPadding?: boolean },
): void {
  if (ending.bounds) throw unsupported(node, "with an activation");
  const { number: input, shape } = network.numbers(node.input[0] ?? "", "images");
  const images = asImages(shape);
  network.addOverNumbers(ending, afterWindows(images, images[1], operation), (output) => ({
    ...operation,
    input,
    output,
  }));
}

/** A window must see something of the image. */
function poolWindows(node: NodeProto, attributes: Attributes): WindowGeometry {
  const windows = windowsOf(node, attributes);
  const { kernel, padding } = windows;
  if (padding.some((zeros, side) => zeros >= (kernel[side % 2] as number)))
    throw unsupported(node, "over nothing but padding");
  return windows;
}
