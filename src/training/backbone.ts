import { Linear } from "../nn/linear.js";
import type { Module, Parameter } from "../nn/module.js";

/** A classifier's last linear layer, and all before it. */
export interface Parts {
  readonly head: ReadonlySet<Parameter>;
  readonly backbone: ReadonlySet<Parameter>;
}

export function partsOf(model: Module): Parts {
  const [, classifier] = [...model.modules()].findLast(([, module]) => module instanceof Linear) ?? [];
  const head = new Set(Array.from(classifier?.parameters() ?? [], ([, parameter]) => parameter));
  const backbone = new Set(Array.from(model.parameters(), ([, parameter]) => parameter).filter((p) => !head.has(p)));
  return { head, backbone };
}
