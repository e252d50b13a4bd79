import { addon } from "../native/torch/addon.js";
import { Tensor } from "./tensor.js";

/**
 * Begins to copy a tensor of the CPU to a device, through pinned memory and beside what the device computes; nobody waits. On a CPU nothing is
 * copied. Before the copy is used it must `arrive`.
 */
export function send(tensor: Tensor, device: string): Tensor {
  return device === "cpu" ? tensor : new Tensor(addon.copyAside(Tensor.handleOf(tensor), device));
}

/** Lets what is computed from now on wait for this copy, on its device: the calling thread goes on. */
export function arrive(sent: Tensor): void {
  if (sent.device !== "cpu") addon.awaitCopy(Tensor.handleOf(sent));
}
