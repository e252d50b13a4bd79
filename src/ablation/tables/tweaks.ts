import { InputError } from "../../base/errors.js";
import type { TweakForm } from "../../models/entry.js";
import { MODELS, modelEntry } from "../../models/registry.js";
import { withoutIdleScaling } from "./idle-scaling.js";
import { type AblationTable, type Row, row, type TableRequest } from "./table.js";

/** Table 5, top-1 of ResNet-50. */
const PAPER = {
  v1: { top1: 0.7621, read: false },
  b: { top1: 0.7666, read: false },
  c: { top1: 0.7687, read: false },
  d: { top1: 0.7716, read: true },
} as const;

/** Table 5 (section 4): the forms v1, B, C and D of the base recipe's ResNet. Each includes those before it. */
export function tweaksTable({ base }: TableRequest): AblationTable {
  const notes: string[] = [];
  const recipe = withoutIdleScaling(base, notes);
  const { tweaks } = MODELS.get(base.model) ?? {};
  if (tweaks === undefined) {
    throw new InputError(
      `--table tweaks: is about ResNet-18, 34, 50, 101 and 152, and the model is ${base.model}; give --model resnet18, for one`,
    );
  }
  const { network, names } = tweaks;
  const same = modelEntry(names.b).tweaks?.changed === false;
  if (same) {
    notes.push(`${network} has no 1x1 convolution that B could change: its v1 and B are the same network, and one row`);
  }
  const forms: readonly TweakForm[] = same ? ["v1", "c", "d"] : ["v1", "b", "c", "d"];
  const rows: Row[] = [];
  for (const form of forms) {
    const name = form === "v1" ? `${network} (${same ? "v1 = B" : "v1"})` : `${network}-${form.toUpperCase()}`;
    rows.push(row(name, { ...recipe, model: names[form] }, rows.at(-1)?.name, PAPER[form]));
  }
  return {
    name: "tweaks",
    title: "Model tweaks, the paper's Table 5",
    comparison: "each row with the one above",
    rows,
    notes,
    teacher: undefined,
  };
}
