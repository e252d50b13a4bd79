import { full, linear } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { Module, Parameter } from "../module.js";

/** Fully connected layer, [N, in] -> [N, out]. */
export class Linear extends Module {
  /** [out, in] */
  readonly weight: Parameter;
  /** [out] */
  readonly bias: Parameter;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
  ) {
    super();
    this.weight = Parameter.of(full([outFeatures, inFeatures], 0));
    this.bias = Parameter.of(full([outFeatures], 0));
  }

  override forward(input: Tensor): Tensor {
    return linear(input, this.weight, this.bias);
  }
}
