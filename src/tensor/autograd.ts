import { addon } from "../native/torch/addon.js";
import { Tensor } from "./tensor.js";

/** Accumulates d loss / d leaf into the gradient of every leaf that requires one. @param loss a scalar */
export function backward(loss: Tensor): void {
  addon.backward(Tensor.handleOf(loss));
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
