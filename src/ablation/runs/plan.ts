import { resolve } from "node:path";
import type { DataSelection } from "../../data/sources/open.js";
import type { Recipe } from "../../recipe/recipe.js";
import { atEpochs } from "../../recipe/at-epochs.js";
import { placeOf } from "./places.js";
import { type AblationTable, learnsFromOwnTeacher, OWN_TEACHER, type Row } from "../tables/table.js";

/** How much of what was asked for is done: all of it, or what a budget of time allows. */
export interface Extent {
  readonly seeds: readonly number[];
  /** What the epochs of every row are multiplied by, at most 1. */
  readonly epochsFactor: number;
  /** The share of each class's training images. */
  readonly trainShare: number;
}

/** One training run of an ablation. */
export interface PlannedRun {
  /** "runs/2-warmup/seed-0", relative to the ablation's folder. */
  readonly folder: string;
  /** The row it belongs to; undefined for the teacher. */
  readonly row: Row | undefined;
  readonly seed: number;
  /** As it is trained: with its seed, and the teacher's real place. */
  readonly recipe: Recipe;
}

/** The table with the epochs of its rows and its teacher cut to an extent. */
export function atExtent(table: AblationTable, { epochsFactor }: Extent): AblationTable {
  if (epochsFactor === 1) return table;
  const cut = (recipe: Recipe) => atEpochs(recipe, Math.max(1, Math.round(recipe.epochs * epochsFactor)));
  return {
    ...table,
    rows: table.rows.map((row) => ({ ...row, recipe: cut(row.recipe) })),
    teacher: table.teacher && cut(table.teacher),
  };
}

/**
 * All runs in the order they are trained: the teacher, then every row with the first seed, then with the next, so that what is
 * there is always pairs.
 */
export function plannedRuns(table: AblationTable, seeds: readonly number[], out: string): PlannedRun[] {
  const teacher = table.teacher
    ? [
        {
          folder: placeOf(out, OWN_TEACHER, table.teacher),
          row: undefined,
          seed: table.teacher.seed,
          recipe: table.teacher,
        },
      ]
    : [];
  const teacherAt = resolve(out, teacher[0]?.folder ?? OWN_TEACHER);
  const digits = String(table.rows.length).length;
  const rows = seeds.flatMap((seed) =>
    table.rows.map((row, index) => {
      const recipe = { ...withTeacherAt(row.recipe, teacherAt), seed };
      const usual = `runs/${String(index + 1).padStart(digits, "0")}-${fileName(row.name)}/seed-${seed}`;
      return { folder: placeOf(out, usual, recipe), row, seed, recipe };
    }),
  );
  return [...teacher, ...rows];
}

/** The recipe, its teacher in its real place where that is the ablation's own. */
export function withTeacherAt(recipe: Recipe, teacher: string): Recipe {
  if (!learnsFromOwnTeacher(recipe) || !recipe.distillation) return recipe;
  return { ...recipe, distillation: { ...recipe.distillation, teacher } };
}

function fileName(name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return plain.replace(/^-|-$/g, "").slice(0, 60) || "row";
}

/** The selection of the data with a share that may be smaller. */
export function selectionAt(selection: DataSelection, { trainShare }: Extent): DataSelection {
  return { ...selection, ...(trainShare < 1 && { trainShare }) };
}
