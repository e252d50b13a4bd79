import { InputError } from "../../base/errors.js";
import { metricNamed } from "../../metrics/index.js";
import type { MetricFacts } from "../../metrics/metric.js";
import { top1 } from "../../metrics/top-1.js";
import { parseRecipe } from "../../recipe/parse.js";
import type { Recipe } from "../../recipe/recipe.js";

/** A figure of the paper to stand beside a row: top-1 on ImageNet, a fraction of 1. */
export interface PaperFigure {
  readonly top1: number;
  /** Whether it was read in the paper; otherwise it is only recalled and must not be quoted as the paper's. */
  readonly read: boolean;
}

/** One recipe of an ablation. */
export interface Row {
  readonly name: string;
  /** Its `seed` is the first of the ablation's; `distillation.teacher` may be `OWN_TEACHER`. */
  readonly recipe: Recipe;
  /** The row it is compared with, which stands above it; undefined for the one that the others build on. */
  readonly against: string | undefined;
  readonly paper?: PaperFigure | undefined;
}

/** The recipes to be compared, and with which. */
export interface AblationTable {
  /** "tweaks", or a file's path. */
  readonly name: string;
  readonly title: string;
  /** Which row each is compared with, in words. */
  readonly comparison: string;
  readonly rows: readonly Row[];
  /** What a reader has to know: rows left out and why, settings scaled to the run. */
  readonly notes: readonly string[];
  /** A teacher to be trained before the rows, which some of them learn from. */
  readonly teacher: Recipe | undefined;
}

/** What a table is made from. */
export interface TableRequest {
  /** What all rows have in common, and the settings of the tricks that they switch on. */
  readonly base: Recipe;
  /** Names of tricks that get no row. */
  readonly without: ReadonlySet<string>;
  /** The network of a teacher that the ablation trains itself; default: the next deeper one. */
  readonly teacherModel: string | undefined;
  /** Refinements: whether rows that the paper trains longer train no longer than the others. */
  readonly equalEpochs: boolean;
}

/** Stands in `distillation.teacher` for the teacher that the ablation trains: its run, relative to the ablation's folder. */
export const OWN_TEACHER = "runs/teacher";

/** What decides on best epochs, and what rows are compared by: the same for all of them. */
export function comparedBy({ rows }: Pick<AblationTable, "rows">): MetricFacts {
  return metricNamed(rows[0]?.recipe.select ?? top1.name);
}

export function learnsFromOwnTeacher({ distillation }: Recipe): boolean {
  return distillation !== false && distillation.teacher === OWN_TEACHER;
}

/** A row, its recipe checked and called after it. @throws InputError that names the row. */
export function row(name: string, recipe: Recipe, against: string | undefined, paper?: PaperFigure): Row {
  return { name, recipe: comparable({ ...recipe, name }, `row "${name}"`), against, paper };
}

/** A recipe as an ablation keeps it, checked: what it selects by is that of one label a picture, as its runs write it. @throws InputError */
export function comparable(recipe: unknown, where: string): Recipe {
  const parsed = parseRecipe(recipe, where);
  return { ...parsed, select: parsed.select ?? top1.name };
}

/** @throws InputError where rows cannot be told apart, by name or by recipe. */
export function checkRows(where: string, rows: readonly Row[]): void {
  if (rows.length < 2) {
    throw new InputError(`${where}: an ablation compares at least two rows, and here is ${rows.length}`);
  }
  const content = ({ recipe }: Row) => JSON.stringify({ ...recipe, name: "" });
  for (const [index, row] of rows.entries()) {
    const above = rows.slice(0, index);
    const { select } = row.recipe;
    const other = above.find(({ recipe }) => recipe.select !== select);
    if (other) {
      throw new InputError(
        `${where}: row "${row.name}" selects by ${select} and "${other.name}" by ${other.recipe.select}: rows are compared by one metric; give it by --select`,
      );
    }
    if (above.some(({ name }) => name === row.name)) {
      throw new InputError(`${where}: two rows are called "${row.name}"; give each a name of its own`);
    }
    const twin = above.find((other) => content(other) === content(row));
    if (twin) throw new InputError(`${where}: row "${row.name}" changes nothing: it is the recipe of "${twin.name}"`);
  }
}
