import { full, linear } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type LayerCost, Module, Parameter } from "../module.js";
import { BIAS, WEIGHT } from "../parameter-role.js";

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
    this.weight = Parameter.of(full([outFeatures, inFeatures], 0), WEIGHT);
    this.bias = Parameter.of(full([outFeatures], 0), BIAS);
  }

  override forward(input: Tensor): Tensor {
    return linear(input, this.weight, this.bias);
  }

  override cost([batch = 1]: readonly number[]): LayerCost {
    return { outputShape: [batch, this.outFeatures], multiplyAdds: batch * this.weight.size };
  }
}
