import type { Tensor } from "../../tensor/tensor.js";
import { Module } from "../module.js";

/** Returns its input: holds a place, so that the layers after it keep the number PyTorch's state dicts give them. */
export class Identity extends Module {
  override forward(input: Tensor): Tensor {
    return input;
  }
}
