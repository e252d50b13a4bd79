import { noGradient } from "../tensor/autograd.js";
import { contiguous, setData, toDevice } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Module } from "./module.js";

/**
 * Moves a module's parameters and buffers to a device, convolution weights into channels-last memory: on CPU and GPU the
 * convolutions' fastest, and the order pixels come in.
 */
export function moveTo(module: Module, device: string): void {
  noGradient(() =>
    scope(() => {
      for (const [, tensor] of module.state()) {
        const moved = toDevice(tensor, device);
        setData(tensor, tensor.shape.length === 4 ? contiguous(moved, "channels_last") : moved);
      }
    }),
  );
}
