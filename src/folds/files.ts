import { join } from "node:path";
import { stringify } from "csv-stringify/sync";
import { writeFileAtomic } from "../base/atomic-file.js";
import { foldsPage } from "./page.js";
import type { FoldOutcome, FoldsSummary } from "./summary.js";

/**
 * Writes `summary.json`, `out-of-fold.csv` and `report.html`, each whole or not at all.
 *
 * @returns their paths
 */
export function writeFoldsFiles(
  out: string,
  name: string,
  summary: FoldsSummary,
  outcomes: readonly FoldOutcome[],
): string[] {
  const contents = {
    "summary.json": `${JSON.stringify(summary, null, 2)}\n`,
    "out-of-fold.csv": outOfFold(outcomes, summary.classes),
    "report.html": foldsPage(name, summary, outcomes),
  };
  return Object.entries(contents).map(([file, content]) => {
    writeFileAtomic(join(out, file), content);
    return join(out, file);
  });
}

/** A row an image, by name: what the network says of it that has not seen it. */
function outOfFold(outcomes: readonly FoldOutcome[], classes: readonly string[]): string {
  const rows = outcomes.flatMap((outcome) =>
    "predictions" in outcome ? outcome.predictions.images.map((image) => ({ ...image, fold: outcome.fold })) : [],
  );
  const named = rows.every(({ probabilities }) => probabilities !== undefined) ? classes : [];
  const head = ["path", "class", "fold", "predicted", "confidence", "of_class", ...named.map((name) => `p(${name})`)];
  const rounded = (probability: number) => Number(probability.toPrecision(6));
  const lines = rows.map(({ name, label, fold, predicted, confidence, loss, probabilities }) => [
    ...[name, classes[label], fold, classes[predicted], rounded(confidence), rounded(Math.exp(-loss))],
    ...(named.length > 0 ? (probabilities ?? []) : []),
  ]);
  return stringify([head, ...lines]);
}
