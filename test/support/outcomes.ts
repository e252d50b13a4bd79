import type { Outcomes } from "../../src/metrics/outcomes.js";
import { toDType } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { OutcomesOnDevice } from "../../src/training/outcomes-on-device.js";

export type Rows = readonly { readonly logits: readonly number[]; readonly label: number }[];

/** What an evaluation keeps of images with these logits. */
export function outcomesFrom(rows: Rows): Outcomes {
  const classes = rows[0]?.logits.length ?? 0;
  using outcomes = new OutcomesOnDevice(classes, "cpu");
  scope(() => {
    const logits = Tensor.from(
      rows.flatMap((row) => row.logits),
      [rows.length, classes],
    );
    const known = Int32Array.from(rows, ({ label }) => label);
    outcomes.add(logits, toDType(Tensor.from(known), "int64"), known);
  });
  return outcomes.read();
}
