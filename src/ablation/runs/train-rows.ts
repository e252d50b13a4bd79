import { join } from "node:path";
import { DivergedError, KnackError } from "../../base/errors.js";
import { type TrainOptions, train } from "../../run/train.js";
import { type TableDocument, tableDocument } from "../output/table-document.js";
import type { AblationEvent, BudgetChoice } from "../events.js";
import type { Settings } from "./ablation-folder.js";
import { atExtent, type PlannedRun, plannedRuns, selectionAt } from "./plan.js";
import { clearRun, noteDivergence, type RunResult, stateOf } from "./results.js";
import type { AblationTable } from "../tables/table.js";
import { writeTableFiles } from "../output/table-files.js";

interface RowsOptions extends Pick<TrainOptions, "workers" | "cache" | "signal"> {
  readonly table: AblationTable;
  readonly out: string;
}

/** Trains what is settled and not yet finished, run by run, and keeps the table's files. */
export async function* trainRows(
  options: RowsOptions,
  settings: Settings,
): AsyncGenerator<AblationEvent, void, undefined> {
  const { out, signal } = options;
  const { extent, data } = settings;
  const table = atExtent(options.table, extent);
  const runs = plannedRuns(table, extent.seeds, out);
  const results = new Map<string, Map<number, RunResult>>();
  const todo: { run: PlannedRun; number: number; resumed: boolean }[] = [];
  const keep = ({ row, seed }: PlannedRun, result: RunResult) => {
    if (row) results.set(row.name, new Map(results.get(row.name)).set(seed, result));
    else if ("diverged" in result)
      throw new KnackError(`the teacher: ${result.diverged}; or give another by --teacher`);
  };
  for (const [index, run] of runs.entries()) {
    const state = stateOf(join(out, run.folder));
    if (typeof state === "object") keep(run, state.result);
    else todo.push({ run, number: index + 1, resumed: state === "resumable" });
  }
  const document = (): TableDocument => tableDocument(table, extent, data, results);
  const finished = runs.length - todo.length;
  const budget = budgetChoice(options.table, table, settings);
  yield { type: "plan", out, table, data, seeds: extent.seeds, runs: runs.length, finished, budget };
  let files = writeTableFiles(out, document(), results);
  for (const { run, number, resumed } of todo) {
    yield { type: "run", run, number, of: runs.length, resumed };
    const result = yield* trainOne(run, resumed, options, settings);
    if (result === undefined) {
      yield { type: "interrupted", document: document() };
      return;
    }
    keep(run, result);
    files = writeTableFiles(out, document(), results);
    yield { type: "result", run, result, document: document() };
    if (signal?.aborted && number < runs.length) {
      yield { type: "interrupted", document: document() };
      return;
    }
  }
  yield { type: "done", document: document(), files };
}

/** @returns undefined where it was stopped. */
async function* trainOne(
  run: PlannedRun,
  resumed: boolean,
  { out, workers, cache, signal }: RowsOptions,
  { asked, extent }: Settings,
): AsyncGenerator<AblationEvent, RunResult | undefined, undefined> {
  const folder = join(out, run.folder);
  const { device, data, holdOut, list, split, engine } = asked;
  if (!resumed) clearRun(folder);
  const selection = selectionAt({ holdOut: holdOut ?? undefined, split, ...list }, extent);
  const events = resumed
    ? train({ resume: folder, workers, device, signal })
    : train({ data, ...selection, recipe: run.recipe, out: folder, workers, cache, device, ...engine, signal });
  try {
    for await (const event of events) yield { type: "training", run, event };
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    return noteDivergence(folder, error.message);
  }
  const state = stateOf(folder);
  return typeof state === "object" ? state.result : undefined;
}

function budgetChoice(whole: AblationTable, cut: AblationTable, settings: Settings): BudgetChoice | undefined {
  const { asked, extent, expectedSeconds } = settings;
  if (asked.budget === null || expectedSeconds === null) return undefined;
  const epochs = ({ rows }: AblationTable) => Math.min(...rows.map(({ recipe }) => recipe.epochs));
  return {
    budget: asked.budget,
    expected: expectedSeconds,
    asked: { seeds: asked.seeds.length, epochs: epochs(whole), trainShare: asked.trainShare },
    chosen: { seeds: extent.seeds.length, epochs: epochs(cut), trainShare: extent.trainShare },
  };
}
