import { avgPool2d, maxPool2d, mean } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { Module } from "../module.js";

export class MaxPool2d extends Module {
  constructor(
    readonly kernel: number,
    readonly stride: number,
    readonly padding = 0,
  ) {
    super();
  }

  override forward(input: Tensor): Tensor {
    return maxPool2d(input, this.kernel, this.stride, this.padding);
  }
}

/** Average pooling with ceil mode, padding not counted, as the ResNet-D shortcut needs it. */
export class AvgPool2d extends Module {
  constructor(
    readonly kernel: number,
    readonly stride: number,
  ) {
    super();
  }

  override forward(input: Tensor): Tensor {
    return avgPool2d(input, this.kernel, this.stride, { ceilMode: true, countIncludePad: false });
  }
}

/** Mean over height and width: [N, C, H, W] -> [N, C]. */
export class GlobalAvgPool2d extends Module {
  override forward(input: Tensor): Tensor {
    return mean(input, [2, 3]);
  }
}
