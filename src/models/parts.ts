import type { Module, Parameter } from "../nn/module.js";

/** The layers that classify (an auxiliary classifier's too), and all before them. */
export interface Parts {
  readonly head: ReadonlySet<Parameter>;
  readonly backbone: ReadonlySet<Parameter>;
}

/** @param classifiers paths of the layers that classify, as an entry's of the registry; what the model was built without is passed over */
export function partsOf(model: Module, classifiers: readonly string[]): Parts {
  const classifies = (name: string) => classifiers.some((path) => name.startsWith(`${path}.`));
  const [head, backbone] = [new Set<Parameter>(), new Set<Parameter>()];
  for (const [name, parameter] of model.parameters()) (classifies(name) ? head : backbone).add(parameter);
  return { head, backbone };
}
