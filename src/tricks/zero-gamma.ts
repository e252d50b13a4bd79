import type { Module } from "../nn/module.js";
import { isResidualBlock } from "../nn/residual-block.js";
import { noGradient } from "../tensor/autograd.js";
import { fillInPlace } from "../tensor/ops.js";

/**
 * Zero gamma (section 3.1): gamma = 0 in the last normalisation of every residual block, so that each block starts as its shortcut. The
 * shortcut's own BN is left alone.
 *
 * @returns the state dict names of the gammas set to 0; empty where the model has no residual block.
 */
export function zeroGamma(model: Module): string[] {
  return noGradient(() => {
    const zeroed: string[] = [];
    const names = new Map(Array.from(model.parameters(), ([name, parameter]) => [parameter, name]));
    for (const [, module] of model.modules()) {
      if (!isResidualBlock(module)) continue;
      fillInPlace(module.lastNorm.weight, 0);
      zeroed.push(names.get(module.lastNorm.weight) ?? "");
    }
    return zeroed;
  });
}
