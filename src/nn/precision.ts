import { InputError } from "../base/errors.js";
import { noGradient } from "../tensor/autograd.js";
import type { DType } from "../tensor/dtype.js";
import { clone, conv2d, full, setData, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { type Module, Parameter } from "./module.js";

export type Precision = "fp32" | "bf16" | "fp16";

export const COMPUTE_DTYPE: Readonly<Record<Precision, DType>> = {
  fp32: "float32",
  bf16: "bfloat16",
  fp16: "float16",
};

/**
 * Low-precision training (section 3.2): the parameters whose role says so, as those of convolutions and fully connected layers,
 * all activations and their gradients are 16 bit. The optimizer updates float32 masters of those parameters. BN keeps its few
 * parameters and its statistics in float32, as gluon-cv does, and the loss is computed from float32 logits.
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
    for (const [, parameter] of model.parameters()) {
      if (!parameter.role.lowers) continue;
      masters.set(parameter, clone(parameter).keep());
      using lowered = toDType(parameter, dtype);
      setData(parameter, lowered);
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

/**
 * The layers that have parameters of their own, counted by kind and by what the parameters are now, those with 16-bit ones first:
 * ["53 Conv2d bfloat16", "1 Linear bfloat16", "53 BatchNorm2d float32"].
 */
export function describePrecision(model: Module): string[] {
  const kinds = new Map<string, { readonly lowered: boolean; count: number }>();
  for (const [, layer] of model.modules()) {
    const own = Array.from(layer.ownState(), ([, tensor]) => tensor).filter((tensor) => tensor instanceof Parameter);
    const dtypes = new Set(own.map(({ dtype }) => dtype));
    if (dtypes.size === 0) continue;
    const kind = `${layer.constructor.name} ${[...dtypes].join(" and ")}`;
    const counted = kinds.get(kind) ?? { lowered: dtypes.size > 1 || !dtypes.has("float32"), count: 0 };
    counted.count += 1;
    kinds.set(kind, counted);
  }
  return [...kinds]
    .sort(([, a], [, b]) => Number(b.lowered) - Number(a.lowered))
    .map(([kind, { count }]) => `${count} ${kind}`);
}
