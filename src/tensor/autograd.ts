import { addon } from "../native/torch/addon.js";
import { Tensor } from "./tensor.js";

/** Accumulates d loss / d leaf into the gradient of every leaf that requires one. @param loss a scalar */
export function backward(loss: Tensor): void {
  addon.backward(Tensor.handleOf(loss), null, false);
}

/**
 * Accumulates what a loss's gradient of several tensors says of the leaves that these were computed from.
 *
 * @param gradients one for each tensor, of its shape and dtype
 */
export function backwardFrom(tensors: readonly Tensor[], gradients: readonly Tensor[]): void {
  for (const [index, tensor] of tensors.entries()) {
    const gradient = Tensor.handleOf(gradients[index] as Tensor);
    addon.backward(Tensor.handleOf(tensor), gradient, index < tensors.length - 1);
  }
}

/** The accumulated gradient of a leaf, or null. The tensor shares memory with it. */
export function gradientOf(tensor: Tensor): Tensor | null {
  const handle = addon.gradient(Tensor.handleOf(tensor));
  return handle === null ? null : new Tensor(handle);
}

/** Makes `gradient` (float32, of the same shape) a leaf's accumulated gradient. Both share memory. */
export function setGradient(tensor: Tensor, gradient: Tensor): void {
  addon.setGradient(Tensor.handleOf(tensor), Tensor.handleOf(gradient));
}

/** Drops the accumulated gradient. */
export function clearGradient(tensor: Tensor): void {
  addon.clearGradient(Tensor.handleOf(tensor));
}

/** Runs `body` without recording for backward. */
export function noGradient<T>(body: () => T): T {
  const before = addon.setGradientMode(false);
  try {
    return body();
  } finally {
    addon.setGradientMode(before);
  }
}
