import { isValue, type Value } from "../../nn/graph/graph.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface ChannelScaleOperation {
  readonly kind: "channelScale";
  readonly input: number;
  /** Images of one pixel. */
  readonly scale: number;
  readonly output: number;
}

/** Images times others of one pixel, as squeeze and excitation has them. */
export const channelScale: LoweringRule = {
  operators: ["aten::mul.Tensor"],
  lower(node, network) {
    const [first, second] = node.arguments;
    if (first === undefined || !isValue(first) || second === undefined || !isValue(second)) throw unsupported(node);
    const [input, scale] = isScaleOf(second, first) ? [first, second] : [second, first];
    if (!isScaleOf(scale, input)) throw unsupported(node);
    network.add<ChannelScaleOperation>({
      kind: "channelScale",
      input: network.read(input),
      scale: network.read(scale),
      output: network.number(node.output),
    });
  },
};

function isScaleOf({ shape }: Value, images: Value): boolean {
  const [batch, channels] = images.shape;
  return images.shape.length === 4 && String(shape) === String([batch, channels, 1, 1]);
}
