import { InputError } from "../base/errors.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { all, finite } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

/** What no training leaves behind of weights that are of any use, a line for each tensor: numbers that are none, and negative variances. */
export function faultsOf(model: Module): string[] {
  return [...model.state()].flatMap(([name, tensor]) => {
    const values = () => tensor.toArray();
    if (!scope(() => noGradient(() => all(finite(tensor)).item()))) {
      return [
        `${name}: ${countOf(
          tensor,
          values().filter((value) => !Number.isFinite(value)),
        )} are not finite`,
      ];
    }
    if (!name.endsWith("running_var")) return [];
    const negative = values().filter((value) => value < 0);
    return negative.length === 0 ? [] : [`${name}: ${countOf(tensor, negative)} are negative, and a variance is not`];
  });
}

/** @throws InputError that names the first tensor where a model's weights cannot be used. @param where the weights' file, for the message */
export function refuseBroken(model: Module, where: string): void {
  const [first, ...others] = faultsOf(model);
  if (first === undefined) return;
  const more = others.length === 0 ? "" : `, and so ${others.length} more of its tensors`;
  throw new InputError(`${where}: its weights are broken: ${first}${more}; take an earlier checkpoint or another file`);
}

function countOf({ size }: Tensor, bad: readonly number[]): string {
  return `${bad.length} of ${size} numbers`;
}
