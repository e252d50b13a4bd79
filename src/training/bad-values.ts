import type { Module } from "../nn/module.js";
import { gradientOf, noGradient } from "../tensor/autograd.js";
import { concatenate, all as every, finite, reshape, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

/** The first of these tensors with a number that is not finite. A device is waited for once, whatever their number. */
export function firstBadTensor(tensors: Iterable<[string, Tensor]>): string | undefined {
  const all = [...tensors];
  const flags = scope(() =>
    noGradient(() =>
      concatenate(
        all.map(([, tensor]) => finiteFlag(tensor)),
        0,
      ).toArray(),
    ),
  );
  return all[flags.indexOf(0)]?.[0];
}

/**
 * Where a step's bad values began: running statistics show the layer that first was given some, then weights and their gradients in the order
 * of the layers.
 */
export function firstBadValue(model: Module): string {
  const tensor = firstBadTensor(model.state());
  if (tensor !== undefined) return tensor;
  for (const [name, parameter] of model.parameters()) {
    const bad = scope(() => {
      const gradient = gradientOf(parameter);
      return gradient !== null && !allFinite(gradient);
    });
    if (bad) return `the gradient of ${name}`;
  }
  return "the loss";
}

/** 1 or 0, float32 [1]. */
function finiteFlag(tensor: Tensor): Tensor {
  return reshape(toDType(every(finite(tensor)), "float32"), [1]);
}

function allFinite(tensor: Tensor): boolean {
  return scope(() => noGradient(() => finiteFlag(tensor).item())) !== 0;
}
