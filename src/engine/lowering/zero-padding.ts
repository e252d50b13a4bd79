import type { Quad } from "../../native/cpu/addon.js";
import { isValue } from "../../nn/graph/graph.js";
import { type LoweringRule, unsupported } from "./rule.js";

interface ChannelPaddingOperation {
  readonly kind: "channelPadding";
  readonly input: number;
  readonly output: number;
  /** Channels of zeros before the input's; those after it fill the output. */
  readonly before: number;
}

/** Zeros around images go into the convolution that reads them; zeros beside channels are an operation. */
export const zeroPadding: LoweringRule = {
  operators: ["aten::constant_pad_nd"],
  lower(node, network) {
    const [input, margins, value] = node.arguments;
    if (!isValue(input) || !Array.isArray(margins) || value !== 0) throw unsupported(node);
    const [left = 0, right = 0, top = 0, bottom = 0, before = 0, after = 0] = margins.map(Number);
    const around: Quad = [top, left, bottom, right];
    if (before === 0 && after === 0 && network.onlyReader(node.output)?.operator === "aten::conv2d") {
      network.margins.set(node.output, { from: input, margins: around });
    } else if (around.every((zeros) => zeros === 0)) {
      network.add<ChannelPaddingOperation>({
        kind: "channelPadding",
        input: network.read(input),
        output: network.number(node.output),
        before,
      });
    } else {
      throw unsupported(node);
    }
  },
};
