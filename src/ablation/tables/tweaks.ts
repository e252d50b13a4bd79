import { InputError } from "../../base/errors.js";
import { withoutIdleScaling } from "./idle-scaling.js";
import { imageNetResNet } from "./resnet-names.js";
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
  const resNet = imageNetResNet(base.model);
  if (resNet === undefined) {
    throw new InputError(
      `--table tweaks: is about ResNet-18, 34, 50, 101 and 152, and the model is ${base.model}; give --model resnet18, for one`,
    );
  }
  const { depth } = resNet;
  const same = depth < 50;
  if (same) {
    notes.push(
      `ResNet-${depth} has no 1x1 convolution that B could change: its v1 and B are the same network, and one row`,
    );
  }
  const variants = same ? (["v1", "c", "d"] as const) : (["v1", "b", "c", "d"] as const);
  const rows: Row[] = [];
  for (const variant of variants) {
    const name =
      variant === "v1" ? `ResNet-${depth} (${same ? "v1 = B" : "v1"})` : `ResNet-${depth}-${variant.toUpperCase()}`;
    rows.push(row(name, { ...recipe, model: resNet.as(variant) }, rows.at(-1)?.name, PAPER[variant]));
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
