import { UnsupportedLayer } from "../../engine/lowering/network.js";
import type { NodeProto } from "../schema.js";
import { asClamp, boundsOf, inSteps } from "./bounds.js";
import type { Integers, IntegerNetwork } from "./integer-network.js";
import { Attributes, type OnnxGraph, unsupported } from "./onnx-graph.js";
import { passOn } from "./regrid.js";
import type { Rule } from "./rule.js";

/** inputFactor x input + otherFactor x other + offset, from low to high, in steps of the result. */
interface IntegerAddition {
  readonly kind: "int8Addition";
  readonly input: number;
  readonly other: number;
  readonly output: number;
  readonly inputFactor: number;
  readonly otherFactor: number;
  readonly offset: number;
  readonly low: number;
  readonly high: number;
}

export const addition: Rule = (node, network) => {
  new Attributes(node, []);
  const [aName = "", bName = ""] = node.input;
  const { grid, ...ending } = network.ending(node);
  const [a, b] = [network.integers(aName), network.integers(bName)];
  if (!a || !b || !grid) return floatAddition(node, network, { grid, ...ending });
  const { tensor, bounds } = ending;
  if (String(a.shape) !== String(b.shape)) throw unsupported(node, "of several sizes");
  for (const [name, sum, residual] of [
    [aName, a, b],
    [bName, b, a],
  ] as const) {
    // What it takes in must be there before it runs.
    if (!sum.maker || residual.number >= sum.number || !isReadBy(node, name, network.graph)) continue;
    sum.maker.add(residual, { grid, bounds });
    network.nameIntegers(tensor, { number: sum.number, shape: sum.shape, grid });
    return;
  }
  addIntegers(network, a, b, { tensor, grid, bounds });
};

/** Whether nobody else reads a number, or the integers that it stands for. */
function isReadBy(reader: NodeProto, tensor: string, graph: OnnxGraph): boolean {
  const back = graph.makerOf(tensor);
  return graph.onlyReaderOf(tensor) === reader && graph.onlyReaderOf(back?.input[0] ?? "") === back;
}

function addIntegers(
  network: IntegerNetwork,
  a: Integers,
  b: Integers,
  {
    tensor,
    grid,
    bounds,
  }: Required<Pick<Integers, "grid">> & { readonly tensor: string; readonly bounds: Parameters<typeof inSteps>[1] },
): void {
  const [inputFactor, otherFactor] = [a.grid.scale / grid.scale, b.grid.scale / grid.scale];
  network.add<IntegerAddition>({
    kind: "int8Addition",
    input: a.number,
    other: b.number,
    output: network.makeIntegers(tensor, a.shape, grid),
    inputFactor,
    otherFactor,
    offset: grid.zeroPoint - inputFactor * a.grid.zeroPoint - otherFactor * b.grid.zeroPoint,
    ...inSteps(grid, bounds, grid),
  });
}

function floatAddition(node: NodeProto, network: IntegerNetwork, ending: ReturnType<IntegerNetwork["ending"]>): void {
  const [aName = "", bName = ""] = node.input;
  const [a, b] = [network.numbers(aName, "images"), network.numbers(bName, "images")];
  if (a.number === b.number || String(a.shape) !== String(b.shape)) throw unsupported(node, "of such images");
  network.addOverNumbers(ending, a.shape, (output) => ({
    kind: "addition",
    input: a.number,
    other: b.number,
    output,
    clamp: asClamp(ending.bounds),
  }));
}

/** An activation that has become one with no other node. */
export const activation: Rule = (node, network) => {
  const [inputName = ""] = node.input;
  const bounds = boundsOf(node, network.graph);
  if (!bounds) throw new UnsupportedLayer("a Clip with bounds that are computed");
  const { tensor, grid, bounds: again } = network.ending(node);
  if (again) throw unsupported(node, "twice");
  const integers = network.integers(inputName);
  if (integers && grid) return passOn(network, { tensor, grid, bounds }, integers);
  const input = network.numbers(inputName, "images");
  network.addOverNumbers({ tensor, grid, bounds }, input.shape, (output) => ({
    kind: "addition",
    input: input.number,
    other: undefined,
    output,
    clamp: asClamp(bounds),
  }));
};
