import type { Integers, IntegerNetwork } from "./integer-network.js";
import { Attributes, unsupported } from "./onnx-graph.js";
import { inStepsOf, productSums } from "./products.js";
import { passOn } from "./regrid.js";
import type { Rule } from "./rule.js";
import type { NodeProto } from "../schema.js";

/** scale x sum + offset: rounded in steps of the result where that is integers, else numbers. */
interface IntegerLinear {
  readonly kind: "int8Linear";
  readonly input: number;
  readonly output: number;
  readonly weight: Int8Array;
  readonly scales: Float32Array;
  readonly offsets: Float32Array;
}

/** What numbers are steps of. */
const ONES = { scale: 1, zeroPoint: 0 };

export const linear: Rule = (node, network) => {
  const attributes = new Attributes(node, ["alpha", "beta", "transA", "transB"]);
  const isPlain = attributes.float("alpha", 1) === 1 && attributes.float("beta", 1) === 1;
  const isTransposed = attributes.int("transA", 0) === 0 && attributes.int("transB", 0) === 1;
  if (!isPlain || !isTransposed) throw unsupported(node, "with factors or of other transposition");
  const ending = network.ending(node);
  if (ending.bounds) throw unsupported(node, "with an activation");
  const [inputName = "", weightName = ""] = node.input;
  const input = network.integers(inputName);
  const weights = network.weights(weightName);
  const isEnd = ending.tensor === network.graph.output;
  if (input && weights && (ending.grid || isEnd)) {
    const [batch, channels, height, width] = input.shape;
    const [outChannels = 0, inChannels] = weights.dims;
    if (height * width !== 1 || channels !== inChannels) throw unsupported(node, "over images");
    const layer = {
      kind: "int8Linear",
      input: input.number,
      weight: weights.integers,
      ...inStepsOf(productSums(node, network, input, weights, false), ending.grid ?? ONES),
    } as const;
    if (ending.grid) {
      const output = network.makeIntegers(ending.tensor, [batch, outChannels, 1, 1], ending.grid);
      network.add<IntegerLinear>({ ...layer, output });
    } else {
      network.addOverNumbers(ending, [batch, outChannels], (output): IntegerLinear => ({ ...layer, output }));
    }
    return;
  }
  const { number, shape } = network.numbers(inputName, "vectors");
  const { dims, values } = network.constantNumbers(weightName);
  const [outChannels = 0, inChannels] = dims;
  if (shape[1] !== inChannels) throw unsupported(node, "with weights of other channels");
  const bias = network.bias(node, outChannels);
  network.addOverNumbers(ending, [shape[0] ?? 0, outChannels], (output) => ({
    kind: "linear",
    input: number,
    output,
    weight: values,
    bias,
  }));
};

/** Flatten and Reshape from images of one pixel to vectors, which are the same here, and Identity. */
export const reshaping: Rule = (node, network) => {
  new Attributes(node, ["axis", "allowzero"]);
  const [inputName = ""] = node.input;
  const ending = network.ending(node);
  const integers = network.integers(inputName);
  if (integers) {
    if (!keepsOrder(node, integers.shape, network)) throw unsupported(node, "of images");
    return passOn(network, ending, integers);
  }
  const numbers = network.knownNumbers(inputName);
  const { tensor, grid, bounds } = ending;
  if (!numbers || bounds || !keepsOrder(node, numbers.shape, network)) throw unsupported(node, "of images");
  if (grid) network.addRounding(tensor, numbers, grid);
  else network.nameNumbers(tensor, numbers);
};

function keepsOrder(
  node: NodeProto,
  [, , height = 1, width = 1]: Integers["shape"] | readonly number[],
  network: IntegerNetwork,
): boolean {
  if (node.op_type === "Identity") return true;
  if (height * width !== 1) return false;
  if (node.op_type === "Flatten") return new Attributes(node, ["axis"]).int("axis", 1) === 1;
  return network.graph.constant(node.input[1] ?? "")?.elements.length === 2;
}
