import { conv2d, full, maxPool2d, padZeros } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { type LayerCost, Module, Parameter } from "../module.js";
import { WEIGHT } from "../parameter-role.js";

/** The same in both directions, or [height, width]. */
type Pair = number | readonly [height: number, width: number];

export interface Conv2dOptions {
  /** Pixels from one window to the next, in both directions; 1 by default. */
  readonly stride?: number;
  /**
   * Rows and columns of zeros on each side; none by default. "same" is TensorFlow's SAME: as many as make
   * ceil(size / stride) pixels out of `size`, an odd one at the bottom and the right.
   */
  readonly padding?: Pair | "same";
  /** Input and output channels fall into so many groups that do not see each other; as many as channels is depthwise. */
  readonly groups?: number;
}

/** 2-d convolution without bias, as every convolution before a BatchNorm. */
export class Conv2d extends Module {
  /** [out, in / groups, height, width] */
  readonly weight: Parameter;
  readonly kernel: readonly [height: number, width: number];

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    kernel: Pair,
    readonly options: Conv2dOptions = {},
  ) {
    super();
    this.kernel = pair(kernel);
    this.weight = Parameter.of(full([outChannels, inChannels / (options.groups ?? 1), ...this.kernel], 0), WEIGHT);
  }

  override forward(input: Tensor): Tensor {
    const { stride = 1, groups } = this.options;
    const [height = 0, width = 0] = input.shape.slice(2);
    const { top, bottom, left, right } = this.#margins(height, width);
    if (top !== bottom || left !== right) {
      using padded = padZeros(input, { top, bottom, left, right });
      return conv2d(padded, this.weight, null, { stride, groups });
    }
    if (this.kernel[0] === 1 && this.kernel[1] === 1 && stride > 1 && this.inChannels < 16) {
      // With fewer channels than a vector has room for, the backward pass of oneDNN's strided 1x1 convolution writes past its
      // workspace (its issue 6035): a crash, or a wrong gradient. So the pixels are picked first; a window of one picks.
      using picked = maxPool2d(input, 1, stride, 0);
      return conv2d(picked, this.weight, null, { groups });
    }
    return conv2d(input, this.weight, null, { stride, padding: [top, left], groups });
  }

  /** The shape [N, C, H, W] of what comes out of an input of this shape. */
  outputShape(input: readonly number[]): number[] {
    const { stride = 1 } = this.options;
    const [batch = 0, , height = 0, width = 0] = input;
    const { top, bottom, left, right } = this.#margins(height, width);
    const windows = (size: number, kernel: number) => Math.floor((size - kernel) / stride) + 1;
    return [
      batch,
      this.outChannels,
      windows(height + top + bottom, this.kernel[0]),
      windows(width + left + right, this.kernel[1]),
    ];
  }

  override cost(input: readonly number[]): LayerCost {
    const outputShape = this.outputShape(input);
    const outputs = outputShape.reduce((product, size) => product * size, 1);
    return { outputShape, multiplyAdds: (outputs * this.weight.size) / this.outChannels };
  }

  #margins(height: number, width: number): { top: number; bottom: number; left: number; right: number } {
    const { padding = 0, stride = 1 } = this.options;
    if (padding === "same") {
      const [top, bottom] = samePadding(height, this.kernel[0], stride);
      const [left, right] = samePadding(width, this.kernel[1], stride);
      return { top, bottom, left, right };
    }
    const [rows, columns] = pair(padding);
    return { top: rows, bottom: rows, left: columns, right: columns };
  }
}

function pair(value: Pair): readonly [height: number, width: number] {
  return typeof value === "number" ? [value, value] : value;
}

/** TensorFlow's SAME in one direction: the zeros before and after. */
function samePadding(size: number, kernel: number, stride: number): [before: number, after: number] {
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  const before = Math.floor(total / 2);
  return [before, total - before];
}
