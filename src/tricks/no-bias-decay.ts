import { Conv2d } from "../nn/layers/conv2d.js";
import { Linear } from "../nn/layers/linear.js";
import type { Module, Parameter } from "../nn/module.js";

/** Parameters by state dict name. */
export type NamedParameters = ReadonlyMap<string, Parameter>;

export interface DecayGroups {
  readonly decayed: NamedParameters;
  readonly undecayed: NamedParameters;
}

/**
 * No bias decay (section 3.1): weight decay only on the weights of convolutions and fully connected layers; every bias and
 * every BN gamma and beta has none.
 */
export function noBiasDecay(model: Module): DecayGroups {
  const weights = new Set<Parameter>();
  for (const [, module] of model.modules()) {
    if (module instanceof Conv2d || module instanceof Linear) weights.add(module.weight);
  }
  const parameters = [...model.parameters()];
  return {
    decayed: new Map(parameters.filter(([, parameter]) => weights.has(parameter))),
    undecayed: new Map(parameters.filter(([, parameter]) => !weights.has(parameter))),
  };
}
