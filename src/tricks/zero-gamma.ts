import { counted } from "../base/printable.js";
import { MODELS } from "../models/registry.js";
import type { Module } from "../nn/module.js";
import { isResidualBlock } from "../nn/residual-block.js";
import { flag } from "../settings/schema.js";
import { noGradient } from "../tensor/autograd.js";
import { fillInPlace } from "../tensor/ops.js";
import { init } from "./init.js";
import { isOn, touched, trick } from "./trick.js";

/**
 * Zero gamma (section 3.1): gamma = 0 in the last BN of every residual block, so that each block starts as its shortcut. The
 * shortcut's own BN is left alone.
 *
 * @returns the state dict names of the gammas set to 0; empty where the model has no residual block.
 */
export function zeroGammas(model: Module): string[] {
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

export const zeroGamma = trick({
  name: "zero-gamma",
  section: "3.1",
  summary: "gamma 0 in the last batch norm of every residual block",
  group: "tricks",
  switches: [
    {
      flags: "--zero-gamma",
      help: "start the last batch norm of every residual block with gamma 0",
      key: "zeroGamma",
      value: true,
    },
    { flags: "--no-zero-gamma", help: "start all batch norms with gamma 1", key: "zeroGamma", value: false },
  ],
  shape: { zeroGamma: flag },
  off: { zeroGamma: false },
  paper: { zeroGamma: true },
  start: ({ zeroGamma }, run) => {
    if (!zeroGamma) return false;
    let zeroed: readonly string[] = [];
    return {
      initialised: (model) => {
        zeroed = zeroGammas(model);
      },
      touched: () =>
        zeroed.length > 0
          ? touched(zeroed.length, `${counted(zeroed.length, "gamma")} set to 0: ${zeroed[0]} … ${zeroed.at(-1)}`)
          : touched(0, `${run.recipe.model} has no residual block: use --no-zero-gamma`),
    };
  },
  idle: (_, { model }) => (MODELS.get(model)?.residual ? undefined : `${model} has no residual block`),
  problems: ({ zeroGamma }, recipe) => {
    if (!zeroGamma || !isOn(init, recipe)) return [];
    const message = "would erase what the gammas of the weights in init have learned; give --no-zero-gamma";
    return [{ key: "zeroGamma", message }];
  },
});
