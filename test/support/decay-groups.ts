import type { Module } from "../../src/nn/module.js";
import type { NamedParameters } from "../../src/optim/parameter-groups.js";
import { noBiasDecayGroups } from "../../src/tricks/no-bias-decay.js";

/** A model's parameters as the trick divides them. */
export function decayGroups(model: Module): { decayed: NamedParameters; undecayed: NamedParameters } {
  const all = { parameters: new Map(model.parameters()), weightDecay: 1, lrFactor: 1 };
  const groups = noBiasDecayGroups([all]);
  const of = (weightDecay: number) =>
    groups.find((group) => group.weightDecay === weightDecay)?.parameters ?? new Map();
  return { decayed: of(1), undecayed: of(0) };
}
