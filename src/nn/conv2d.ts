import { conv2d, full } from "../tensor/ops.js";
import type { Tensor } from "../tensor/tensor.js";
import { Module, Parameter } from "./module.js";

/** 2-d convolution without bias, as every convolution before a BatchNorm. */
export class Conv2d extends Module {
  /** [out, in, kernel, kernel] */
  readonly weight: Parameter;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    readonly kernel: number,
    readonly options: { stride?: number; padding?: number } = {},
  ) {
    super();
    this.weight = Parameter.of(full([outChannels, inChannels, kernel, kernel], 0));
  }

  override forward(input: Tensor): Tensor {
    return conv2d(input, this.weight, null, this.options);
  }
}
