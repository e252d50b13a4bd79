import { reluInPlace } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { Module } from "../module.js";

/** max(x, 0), in place: the layer before must not need its own output for its gradient (convolution and BN do not). */
export class ReLU extends Module {
  override forward(input: Tensor): Tensor {
    return reluInPlace(input);
  }
}
