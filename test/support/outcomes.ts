import { MOST_SCORES, type Outcomes } from "../../src/metrics/outcomes.js";
import { toDType } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { OutcomesOnDevice } from "../../src/tasks/outcomes-on-device.js";

export type Rows = readonly { readonly logits: readonly number[]; readonly label: number }[];

/** What an evaluation keeps of images with these logits. */
export function outcomesFrom(rows: Rows, { batch = rows.length, mostScores = MOST_SCORES } = {}): Outcomes {
  const classes = rows[0]?.logits.length ?? 0;
  using outcomes = new OutcomesOnDevice(classes, "cpu", mostScores);
  for (let first = 0; first < rows.length; first += batch) {
    const some = rows.slice(first, first + batch);
    const known = Int32Array.from(some, ({ label }) => label);
    scope(() => {
      const logits = Tensor.from(
        some.flatMap((row) => row.logits),
        [some.length, classes],
      );
      outcomes.add(logits, toDType(Tensor.from(known), "int64"), known);
    });
  }
  return outcomes.read();
}
