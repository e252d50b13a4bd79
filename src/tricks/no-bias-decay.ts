import type { Module, Parameter } from "../nn/module.js";

/** Parameters by state dict name. */
export type NamedParameters = ReadonlyMap<string, Parameter>;

export interface DecayGroups {
  readonly decayed: NamedParameters;
  readonly undecayed: NamedParameters;
}

/**
 * No bias decay (section 3.1): weight decay only on parameters whose role says so, as the weights of convolutions and fully
 * connected layers; every bias and every BN gamma and beta has none.
 */
export function noBiasDecay(model: Module): DecayGroups {
  const parameters = [...model.parameters()];
  return {
    decayed: new Map(parameters.filter(([, parameter]) => parameter.role.decays)),
    undecayed: new Map(parameters.filter(([, parameter]) => !parameter.role.decays)),
  };
}
