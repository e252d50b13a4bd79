import { contiguous, div, permute, reshape, sub, toDevice, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import type { InputFormat } from "../data/split.js";

/**
 * (pixel / 255 - mean) / std, on the device.
 *
 * @param pixels [N, H, W, C] uint8
 * @returns [N, C, H, W] float32 in channels-last memory, which is the pixels' own order and the convolutions' fastest.
 */
export function prepareImages(pixels: Uint8Array, format: InputFormat, device: string): Tensor {
  const { height, width, channels } = format;
  const count = pixels.length / (height * width * channels);
  return scope(() => normalise(toDevice(Tensor.from(pixels, [count, height, width, channels]), device), format));
}

/**
 * (pixel / 255 - mean) / std.
 *
 * @param pixels [N, H, W, C] uint8
 * @returns as `prepareImages`, on the pixels' device
 */
export function normalise(pixels: Tensor, { height, width, channels, mean, std }: InputFormat): Tensor {
  return scope(() => {
    // By whole lines: an operator that repeats three values for each pixel would take more than twice as long.
    const line = (values: readonly number[]) => {
      const pixel = values.map((value) => value * 255);
      return toDevice(Tensor.from(Array.from({ length: width }, () => pixel).flat()), pixels.device);
    };
    const lines = toDType(reshape(pixels, [-1, width * channels]), "float32");
    const normalised = div(sub(lines, line(mean)), line(std));
    const images = permute(reshape(normalised, [-1, height, width, channels]), [0, 3, 1, 2]);
    return contiguous(images, "channels_last");
  });
}
