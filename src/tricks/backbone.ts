import { Linear } from "../nn/layers/linear.js";
import type { Module, Parameter } from "../nn/module.js";

/** The linear layers, which classify (an auxiliary classifier's too), and all before them. */
export interface Parts {
  readonly head: ReadonlySet<Parameter>;
  readonly backbone: ReadonlySet<Parameter>;
}

export function partsOf(model: Module): Parts {
  const classifiers = Array.from(model.modules(), ([, module]) => module).filter((module) => module instanceof Linear);
  const head = new Set(classifiers.flatMap(({ weight, bias }) => [weight, bias]));
  const backbone = new Set(Array.from(model.parameters(), ([, parameter]) => parameter).filter((p) => !head.has(p)));
  return { head, backbone };
}
