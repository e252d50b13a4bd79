import type { Module } from "../nn/module.js";
import { gradientOf, noGradient } from "../tensor/autograd.js";
import { all, finite } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

/** The first of these tensors with a number that is not finite. */
export function firstBadTensor(tensors: Iterable<[string, Tensor]>): string | undefined {
  for (const [name, tensor] of tensors) if (!allFinite(tensor)) return name;
  return undefined;
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

function allFinite(tensor: Tensor): boolean {
  return scope(() => noGradient(() => all(finite(tensor)).item())) !== 0;
}
