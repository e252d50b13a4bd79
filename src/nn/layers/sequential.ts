import type { Tensor } from "../../tensor/tensor.js";
import { chain, Module } from "../module.js";

/** Layers in a row; their names are their positions. */
export class Sequential extends Module {
  readonly layers: readonly Module[];

  constructor(...layers: Module[]) {
    super();
    this.layers = layers;
  }

  override *children(): IterableIterator<[string, Module]> {
    for (const [index, layer] of this.layers.entries()) yield [String(index), layer];
  }

  override forward(input: Tensor): Tensor {
    return chain(input, ...this.layers);
  }
}
