import type { Extent } from "../runs/plan.js";
import { type Results, type RowSummary, summarize } from "./summary.js";
import { type AblationTable, comparedBy } from "../tables/table.js";

/** What `table.json` holds. */
export interface TableDocument {
  readonly table: string;
  readonly title: string;
  /** The data's description. */
  readonly data: string;
  readonly seeds: readonly number[];
  /** The share of each class's training images that was trained on. */
  readonly trainShare: number;
  /** False while runs are missing: the figures may change. */
  readonly complete: boolean;
  /** Finished and diverged runs, and all, without the teacher's. */
  readonly finishedRuns: number;
  readonly runs: number;
  /** The metric that rows are compared by: `select` of their recipes. */
  readonly select: string;
  /** With which row each is compared. */
  readonly comparison: string;
  readonly notes: readonly string[];
  readonly rows: readonly RowSummary[];
}

export function tableDocument(table: AblationTable, extent: Extent, data: string, results: Results): TableDocument {
  const { seeds, trainShare } = extent;
  const finishedRuns = [...results.values()].reduce((sum, runs) => sum + runs.size, 0);
  const runs = table.rows.length * seeds.length;
  return {
    table: table.name,
    title: table.title,
    data,
    seeds,
    trainShare,
    complete: finishedRuns === runs,
    finishedRuns,
    runs,
    select: comparedBy(table).name,
    comparison: table.comparison,
    notes: table.notes,
    rows: summarize(table, seeds, results),
  };
}
