import type { DType } from "../tensor/dtype.js";
import { contiguous, div, permute, reshape, sub, toDevice, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import type { ImageShape } from "./image-set.js";

/** What turns pixels into a network's input. */
export interface InputFormat extends ImageShape {
  /** Per channel, on the 0..1 scale. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * (pixel / 255 - mean) / std, on the device.
 *
 * @param pixels [N, H, W, C] uint8
 * @returns [N, C, H, W] float32 in channels-last memory, which is the pixels' own order and the convolutions' fastest.
 */
export function prepareImages(pixels: Uint8Array, format: InputFormat, device: string): Tensor {
  const { height, width, channels } = format;
  const count = pixels.length / (height * width * channels);
  return scope(() => {
    // By whole lines: an operator that repeats three values for each pixel would take more than twice as long.
    const line = (values: readonly number[]) => {
      const pixel = values.map((value) => value * 255);
      return toDevice(Tensor.from(Array.from({ length: width }, () => pixel).flat()), device);
    };
    const lines = toDevice(Tensor.from(pixels, [count * height, width * channels]), device);
    const normalised = div(sub(toDType(lines, "float32"), line(format.mean)), line(format.std));
    const images = permute(reshape(normalised, [count, height, width, channels]), [0, 3, 1, 2]);
    return contiguous(images, "channels_last");
  });
}

/** The same labels as an int64 tensor on the device. */
export function prepareLabels(labels: Int32Array, device: string): Tensor {
  return scope(() => toDevice(Tensor.from(labels), device, "int64" satisfies DType));
}
