import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DataSelection } from "../../data/sources/open.js";
import type { EngineChoice } from "../../engine/engine-name.js";
import type { Recipe } from "../../recipe/recipe.js";
import { TRICKS } from "../../tricks/index.js";
import { momentsOf } from "../../tricks/running-tricks.js";
import type { Trick } from "../../tricks/trick.js";
import type { Rehearsed } from "../../tools/rehearsal/rehearsal.js";
import { rehearse } from "../../tools/rehearsal/rehearse.js";
import { withTeacherAt } from "./plan.js";
import type { AblationTable } from "../tables/table.js";

interface CheckOptions {
  readonly data: string;
  readonly selection: DataSelection;
  readonly device: string;
  readonly engine: EngineChoice;
  readonly workers: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Builds every row, and the teacher, as a run would. Rows that learn from the ablation's own teacher get an untrained one for it.
 *
 * @param timed whether steps and evaluations are timed too, once for rows that cost the same
 * @returns what was found, by row; undefined where the signal ended it
 * @throws InputError that names the row which cannot be trained
 */
export async function buildRows(
  table: AblationTable,
  timed: boolean,
  { signal, ...options }: CheckOptions,
): Promise<ReadonlyMap<string, Rehearsed> | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "knack-ablation-"));
  const standIn = join(folder, "teacher");
  try {
    const teacher = table.teacher ? [{ name: table.teacher.name, recipe: table.teacher, saveTo: standIn }] : [];
    const rows = table.rows.map(({ name, recipe }) => ({
      name,
      recipe: withTeacherAt(recipe, standIn),
      saveTo: undefined,
    }));
    const firstOfCost = new Map<string, string>();
    const recipes = [...teacher, ...rows].map(({ name, recipe, saveTo }) => {
      const cost = costKey(recipe);
      const isFirst = !firstOfCost.has(cost);
      if (isFirst) firstOfCost.set(cost, name);
      const label = saveTo === undefined ? `row "${name}"` : "the teacher";
      return { name: label, recipe, timed: timed && isFirst, saveTo, row: name, cost };
    });
    const found = new Map<string, Rehearsed>();
    const plain = recipes.map(({ row: _, cost: __, ...each }) => each);
    let index = 0;
    for await (const rehearsed of rehearse({ ...options, recipes: plain }, signal)) {
      const { row, cost } = recipes[index++] as (typeof recipes)[number];
      const like = found.get(firstOfCost.get(cost) ?? row);
      found.set(row, { ...rehearsed, times: rehearsed.times ?? like?.times });
    }
    return found.size === recipes.length ? found : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Moments at which a trick costs a step no time. */
const FREE = new Set(["checked", "rate", "initialised", "grouped", "targets", "touched"]);

/** Recipes with the same key take the same time a step: they differ in what costs none. */
function costKey(recipe: Recipe): string {
  const { name, epochs, lr, momentum, weightDecay, seed, ...costly } = recipe;
  const free = TRICKS.filter((trick: Trick) => [...momentsOf(trick, recipe)].every((moment) => FREE.has(moment)));
  const freeKeys = free.flatMap(({ shape }) => Object.keys(shape));
  return JSON.stringify(Object.entries(costly).filter(([key]) => !freeKeys.includes(key)));
}
