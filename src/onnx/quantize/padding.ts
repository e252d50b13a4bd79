import type { NodeProto, TensorProto } from "../schema.js";

/** The nodes with paddings by zeros, which runtimes do not compute in integers, made part of the convolutions that alone read them. */
export function paddingInside(
  nodes: readonly NodeProto[],
  initializers: ReadonlyMap<string, TensorProto>,
): NodeProto[] {
  const inside = new Map<string, NodeProto>();
  for (const pad of nodes) {
    const [padded = ""] = pad.output;
    const readers = nodes.filter(({ input }) => input.includes(padded));
    const isRead = readers.length > 0 && readers.every(({ op_type }) => op_type === "Conv");
    if (pad.op_type === "Pad" && pad.input.length === 2 && isRead && sidesOf(pad, initializers))
      inside.set(padded, pad);
  }
  return nodes.flatMap((node) => {
    if (inside.has(node.output[0] ?? "")) return [];
    const [read = "", ...others] = node.input;
    const pad = inside.get(read);
    const sides = pad && sidesOf(pad, initializers);
    if (!sides) return node;
    const attribute = node.attribute.map((each) => {
      return each.name === "pads" ? { ...each, ints: each.ints?.map((size, i) => size + (sides[i] ?? 0)) } : each;
    });
    return { ...node, input: [pad.input[0] ?? "", ...others], attribute };
  });
}

/** Above, left, below, right; undefined where something else than images is padded. */
function sidesOf({ input }: NodeProto, initializers: ReadonlyMap<string, TensorProto>): number[] | undefined {
  const pads = initializers.get(input[1] ?? "");
  if (!pads) return undefined;
  const [images, channels, above, left, imagesAfter, channelsAfter, below, right] = Array.from(
    new BigInt64Array(pads.raw_data.slice().buffer),
    Number,
  );
  const others = [images, channels, imagesAfter, channelsAfter];
  return others.every((size) => size === 0) ? [above, left, below, right].map((size) => size ?? 0) : undefined;
}
