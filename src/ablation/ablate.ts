import { basename } from "node:path";
import { anywhere, type DataSelection } from "../data/sources/open.js";
import { listOptions } from "../data/sources/source.js";
import { InputError } from "../base/errors.js";
import { DEFAULT_ENGINE, type EngineChoice } from "../engine/engine-name.js";
import { fitBudget } from "./runs/budget.js";
import { buildRows } from "./runs/check-rows.js";
import type { AblationEvent } from "./events.js";
import { AblationFolder, type Asked, type Settings } from "./runs/ablation-folder.js";
import { atExtent, type Extent, selectionAt } from "./runs/plan.js";
import type { AblationTable } from "./tables/table.js";
import { trainRows } from "./runs/train-rows.js";

export interface AblateOptions extends DataSelection, Partial<EngineChoice> {
  /** "fashion-mnist", or a folder of photographs, IDX or CIFAR binary files. */
  readonly data: string;
  readonly table: AblationTable;
  /** How many; the first is that of the rows' recipes. */
  readonly seeds: number;
  /** Seconds that the whole may take: less is done where it would take longer. */
  readonly budget?: number | undefined;
  /** The ablation's folder, new or that of an earlier start with the same settings but for seeds, rows and epochs. */
  readonly out: string;
  /** As `train`'s. */
  readonly workers?: number | undefined;
  readonly cache?: string | undefined;
  readonly device?: string | undefined;
  /** Stops it cleanly, the run under way at a checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains every row of a table with every seed, each as a run of its own, and keeps the table's files. Started again with the same
 * settings, or asked for other seeds, rows or epochs, it goes on where it stopped: finished runs stay, and the one under way goes on from its last
 * checkpoint.
 *
 * @throws InputError where a row cannot be trained, before any is, or the folder holds something else; KnackError where a run
 *   fails otherwise than by diverging, which is a result.
 */
export async function* ablate(options: AblateOptions): AsyncGenerator<AblationEvent, void, undefined> {
  const { seeds } = options;
  if (!(Number.isSafeInteger(seeds) && seeds > 0)) {
    throw new InputError(`--seeds: must be a whole number above 0, not ${seeds}`);
  }
  const folder = AblationFolder.take(options.out);
  try {
    const asked = askedFor(options);
    const earlier = folder.settings(asked);
    if (!earlier) yield { type: "checking", rows: asked.rows.length, timed: options.budget !== undefined };
    const settings = earlier ?? (await settle(asked, options));
    if (settings === undefined) {
      yield { type: "interrupted", document: undefined };
      return;
    }
    if (!earlier) folder.writeSettings(settings);
    yield* trainRows(options, settings);
  } finally {
    folder.release();
  }
}

function askedFor(options: AblateOptions): Asked {
  if (options.multiLabel) {
    throw new InputError(
      "--multi-label: an ablation compares recipes by what is measured of one label a picture; drop it",
    );
  }
  const { table, data, holdOut, trainShare, split, seeds, budget, device } = options;
  const { engine = DEFAULT_ENGINE.engine, winograd = DEFAULT_ENGINE.winograd } = options;
  const list = listOptions(options);
  const first = table.rows[0]?.recipe.seed ?? 0;
  return {
    table: basename(table.name),
    data: anywhere(data),
    holdOut: holdOut ?? null,
    ...(Object.values(list).some((value) => value !== undefined) && { list }),
    trainShare: trainShare ?? 1,
    ...(split && { split }),
    seeds: Array.from({ length: seeds }, (_, index) => first + index),
    budget: budget ?? null,
    device: device ?? "cpu",
    engine: { engine, winograd },
    teacher: table.teacher ?? null,
    rows: table.rows.map(({ name, against, recipe }) => {
      return { row: name, against: against ?? null, recipe };
    }),
  };
}

/** Checks every row, and what of it a budget allows. Undefined where the signal ended it. */
async function settle(asked: Asked, options: AblateOptions): Promise<Settings | undefined> {
  const { table, budget, holdOut, workers, signal } = options;
  const all: Extent = { seeds: asked.seeds, epochsFactor: 1, trainShare: asked.trainShare };
  const check = (extent: Extent, timed: boolean) =>
    buildRows(atExtent(table, extent), timed, {
      data: asked.data,
      selection: selectionAt({ holdOut, split: asked.split, ...asked.list }, extent),
      device: asked.device,
      engine: asked.engine,
      workers,
      signal,
    });
  const measured = await check(all, budget !== undefined);
  if (measured === undefined) return undefined;
  if (budget === undefined) return { asked, extent: all, expectedSeconds: null, data: descriptionIn(measured) };
  const { seconds, ...extent } = fitBudget(table, all, measured, budget);
  // Shorter runs on fewer images may leave a warmup without a step.
  const cut = extent.epochsFactor < 1 || extent.trainShare < all.trainShare ? await check(extent, false) : measured;
  return cut && { asked, extent, expectedSeconds: seconds, data: descriptionIn(cut) };
}

function descriptionIn(found: ReadonlyMap<string, { readonly data: string }>): string {
  return [...found.values()][0]?.data ?? "";
}
