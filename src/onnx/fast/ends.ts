import { type EnterOperation, UnsupportedLayer } from "../../engine/lowering/network.js";
import type { Quad } from "../../native/cpu/addon.js";
import type { Elements } from "../elements.js";
import type { NodeProto } from "../schema.js";
import type { IntegerNetwork, Weights } from "./integer-network.js";
import { Attributes, unsupported } from "./onnx-graph.js";
import { isSame, nearest, passOn } from "./regrid.js";
import type { Rule } from "./rule.js";

/** A network's images in memory that the engine reads, and how their bytes become its input. */
export interface ImageMemory {
  /** [N, C, H, W] */
  readonly shape: Quad;
  /** Bytes, [N, H, W, C]. */
  readonly pixels: Uint8Array;
  /** The same as the network's input has them: that of the first layer where that is in float32. */
  readonly images: Float32Array;
  /** What each byte becomes, for each channel. */
  readonly tables: readonly Float32Array[];
}

interface IntegerInput {
  readonly kind: "int8Input";
  readonly output: number;
  readonly pixels: Uint8Array;
  /** 256 bytes for each channel. */
  readonly tables: Uint8Array;
}

/** QuantizeLinear that is no operation's end: of the images, or of numbers that several nodes read. */
export const rounding =
  ({ shape, pixels, tables }: ImageMemory): Rule =>
  (node, network) => {
    new Attributes(node, ["axis"]);
    const [inputName = ""] = node.input;
    const [tensor = ""] = node.output;
    const grid = network.gridOf(node);
    if (inputName === network.graph.input) {
      const bytes = tables.flatMap((table) => Array.from(table, (value) => nearest(value, grid)));
      const output = network.makeIntegers(tensor, shape, grid);
      return network.add<IntegerInput>({ kind: "int8Input", output, pixels, tables: Uint8Array.from(bytes) });
    }
    const integers = network.integers(inputName);
    if (integers) return passOn(network, { tensor, grid, bounds: undefined }, integers);
    const numbers = network.knownNumbers(inputName);
    if (!numbers) throw unsupported(node, "of weights");
    network.addRounding(tensor, numbers, grid);
  };

/** DequantizeLinear: of constants, or of activations, which stay integers for those who read them as such. */
export const expansion: Rule = (node, network) => {
  const axis = new Attributes(node, ["axis"]).int("axis", 1);
  const [inputName = ""] = node.input;
  const [tensor = ""] = node.output;
  const integers = network.integers(inputName);
  if (integers) {
    const grid = network.gridOf(node);
    const { maker } = integers;
    return network.nameIntegers(tensor, { ...integers, grid, maker: isSame(grid, integers.grid) ? maker : undefined });
  }
  network.nameWeights(tensor, weightsOf(node, axis, network));
};

/** The images as numbers, for the convolution that alone reads them. */
export function addInput(network: IntegerNetwork, { shape, images }: ImageMemory): void {
  const { graph } = network;
  const readers = graph.readersOf(graph.input).filter(({ op_type }) => op_type !== "QuantizeLinear");
  if (readers.length === 0) return;
  if (readers.length > 1 || readers[0]?.op_type !== "Conv")
    throw new UnsupportedLayer("images that no convolution reads first");
  const number = network.number(shape, "input");
  network.add<EnterOperation>({ kind: "enter", output: number, place: images, gradient: undefined });
  network.nameNumbers(graph.input, { number, shape });
}

function weightsOf(node: NodeProto, axis: number, { graph }: IntegerNetwork): Weights {
  const [name = "", scaleName = "", zeroName = ""] = node.input;
  const [weights, scales] = [graph.constant(name), graph.constant(scaleName)];
  const zeros: Elements = zeroName === "" ? [] : (graph.constant(zeroName)?.elements ?? [1]);
  const integers = weights?.elements;
  if (!(integers instanceof Int8Array || integers instanceof Int32Array))
    throw unsupported(node, "of weights that are not int8");
  const [channels = 1] = weights?.dims ?? [];
  const all = scales?.elements;
  const isEach = all?.length === 1 || (axis === 0 && all?.length === channels);
  if (!(all instanceof Float32Array) || !isEach || zeros.some((zero) => zero !== 0)) {
    throw unsupported(node, "of weights that are not symmetric, or not by output channel");
  }
  const each = all.length === 1 ? new Float32Array(channels).fill(all[0] as number) : all;
  return { dims: weights?.dims ?? [], integers, scales: each };
}
