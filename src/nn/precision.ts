import { InputError } from "../base/errors.js";
import { Conv2d } from "./layers/conv2d.js";
import { Linear } from "./layers/linear.js";
import type { Module, Parameter } from "./module.js";
import { noGradient } from "../tensor/autograd.js";
import type { DType } from "../tensor/dtype.js";
import { clone, conv2d, full, setData, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

export type Precision = "fp32" | "bf16" | "fp16";

export const COMPUTE_DTYPE: Readonly<Record<Precision, DType>> = {
  fp32: "float32",
  bf16: "bfloat16",
  fp16: "float16",
};

/**
 * Low-precision training (section 3.2): the weights of convolutions and fully connected layers, all activations and their
 * gradients are 16 bit. The optimizer updates float32 masters of those weights. BN keeps its few parameters and its
 * statistics in float32, as gluon-cv does, and the loss is computed from float32 logits.
 *
 * @returns the float32 master of every parameter that is now 16 bit; they live until disposed.
 * @throws InputError where the engine cannot convolve in that precision, as fp16 on a CPU.
 */
export function lowerPrecision(model: Module, precision: Precision, device: string): Map<Parameter, Tensor> {
  const dtype = COMPUTE_DTYPE[precision];
  const masters = new Map<Parameter, Tensor>();
  if (precision === "fp32") return masters;
  requireConvolutions(precision, device);
  noGradient(() => {
    for (const [, module] of model.modules()) {
      if (!(module instanceof Conv2d || module instanceof Linear)) continue;
      const parameters = module instanceof Linear ? [module.weight, module.bias] : [module.weight];
      for (const parameter of parameters) {
        masters.set(parameter, clone(parameter).keep());
        using lowered = toDType(parameter, dtype);
        setData(parameter, lowered);
      }
    }
  });
  return masters;
}

function requireConvolutions(precision: Precision, device: string): void {
  const dtype = COMPUTE_DTYPE[precision];
  try {
    scope(() => {
      noGradient(() => conv2d(full([1, 1, 4, 4], 1, dtype, device), full([1, 1, 3, 3], 1, dtype, device), null));
    });
  } catch (error) {
    const instead = precision === "fp16" ? "bf16 (--precision bf16)" : "fp32 (--precision fp32)";
    throw new InputError(
      `precision: this libtorch has no ${precision} convolution on ${device}: use ${instead}`,
      error,
    );
  }
}
