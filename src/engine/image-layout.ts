import type { Convolution, CpuAddon } from "../native/cpu/addon.js";
import { mayTakeWinograd } from "./convolution-algorithms.js";
import type { ImageLayout } from "./engine-name.js";

/**
 * The layout of a network's images: channels-last where oneDNN's fastest direct convolutions want that for the greater part of the multiplications,
 * all of them can be computed so, and none of them may be computed faster yet by Winograd's algorithm, which is for blocks.
 *
 * @param winograd whether that may be chosen
 */
export function layoutFor(
  addon: Pick<CpuAddon, "shareInChannelsLast" | "timeConvolution">,
  convolutions: readonly Convolution[],
  winograd: boolean,
): ImageLayout {
  if (winograd && convolutions.some(mayTakeWinograd)) return "blocks";
  let channelsLast = 0;
  let all = 0;
  for (const convolution of convolutions) {
    const multiplications = multiplicationsOf(convolution);
    channelsLast += multiplications * addon.shareInChannelsLast(convolution);
    all += multiplications;
  }
  const direct = { channelsLast: true, algorithms: [0, 0, 0], pass: 0, repeats: 0 } as const;
  const canAll = () =>
    convolutions.every((convolution) => addon.timeConvolution({ ...convolution, ...direct }) !== null);
  return channelsLast > all / 2 && canAll() ? "channels-last" : "blocks";
}

function multiplicationsOf({ images, outChannels, groups, kernel, stride, padding }: Convolution): number {
  const [batch, channels, height, width] = images;
  const [top, left, bottom, right] = padding;
  const rows = Math.floor((height + top + bottom - kernel[0]) / stride[0]) + 1;
  const columns = Math.floor((width + left + right - kernel[1]) / stride[1]) + 1;
  return batch * rows * columns * outChannels * (channels / groups) * kernel[0] * kernel[1];
}
