import { permutation, randomFor } from "../../tensor/random.js";
import { balancedOrder } from "./balanced-order.js";
import type { Split } from "../split.js";

/**
 * The images of a training epoch in the order they are seen, of which batches are consecutive parts.
 *
 * @param sampling each image once, or each class equally often
 */
export function epochOrder(set: Split, sampling: "shuffle" | "balanced", seed: number, epoch: number): Uint32Array {
  const random = randomFor(seed, "order", epoch);
  return sampling === "balanced"
    ? balancedOrder(set.labels, set.classes.length, random)
    : permutation(set.count, random);
}
