import { conv2d, full, maxPool2d } from "../tensor/ops.js";
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
    const { stride = 1 } = this.options;
    if (this.kernel === 1 && stride > 1 && this.inChannels < 16) {
      // With fewer channels than a vector has room for, the backward pass of oneDNN's strided 1x1 convolution writes past its
      // workspace (its issue 6035): a crash, or a wrong gradient. So the pixels are picked first; a window of one picks.
      using picked = maxPool2d(input, 1, stride, 0);
      return conv2d(picked, this.weight, null);
    }
    return conv2d(input, this.weight, null, this.options);
  }
}
