import { UnsupportedLayer } from "../../engine/lowering/network.js";
import { Attributes, unsupported } from "./onnx-graph.js";
import { regrid } from "./regrid.js";
import type { Rule } from "./rule.js";

export const concatenation: Rule = (node, network) => {
  if (new Attributes(node, ["axis"]).int("axis", 0) !== 1)
    throw unsupported(node, "along other dimensions than the channels");
  const { tensor, grid, bounds } = network.ending(node);
  const inputs = node.input.map((name) => {
    const integers = network.integers(name);
    if (!integers || !grid) throw new UnsupportedLayer("Concat of numbers that are no integers");
    return integers;
  });
  if (grid) regrid(network, tensor, inputs, { grid, bounds });
};

/** Channels of zeros around those of images. */
export const padding: Rule = (node, network) => {
  new Attributes(node, []);
  const [inputName = "", padsName = "", valueName = "", axesName = ""] = node.input;
  const pads = network.graph.constant(padsName)?.elements ?? [];
  const value = valueName === "" ? 0 : network.graph.constant(valueName)?.elements[0];
  const [, before = 0, , , , after = 0] = pads;
  const isOfChannels = pads.length === 8 && pads.every((zeros, i) => (i % 4 === 1 ? zeros >= 0 : zeros === 0));
  if (!isOfChannels || value !== 0 || axesName !== "") throw unsupported(node, "of more than channels with zeros");
  const { tensor, grid, bounds } = network.ending(node);
  const integers = network.integers(inputName);
  if (!integers || !grid || bounds) throw unsupported(node, "of numbers that are no integers");
  regrid(network, tensor, [integers], { grid, bounds }, [before, after]);
};
