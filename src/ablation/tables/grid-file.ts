import { basename } from "node:path";
import { z } from "../../settings/zod.js";
import { InputError } from "../../base/errors.js";
import { loadFile } from "../../base/load-file.js";
import { besideFile } from "../../recipe/load-recipe.js";
import { parseRecipe } from "../../recipe/parse.js";
import type { Recipe, RecipeInput } from "../../recipe/recipe.js";
import { type AblationTable, type Row, row } from "./table.js";

/** What a grid file holds: named changes of the base recipe. */
export interface Grid {
  /** What each row is compared with: the first one (default), or the one above it. */
  readonly compare?: "first" | "above";
  readonly rows: readonly { readonly row: string; readonly recipe: Omit<RecipeInput, "extends" | "seed"> }[];
}

const gridSchema = z.strictObject({
  compare: z.enum(["first", "above"]).default("first"),
  rows: z.array(z.strictObject({ row: z.string().min(1), recipe: z.record(z.string(), z.unknown()) })),
});

/**
 * The rows of a grid file: JSON, or the default export of a TypeScript or JavaScript file.
 *
 * @throws InputError in one line that names the file, and the row where one is wrong
 */
export async function gridTable(file: string, base: Recipe): Promise<AblationTable> {
  const result = gridSchema.safeParse(await loadFile(file, "the grid"));
  if (!result.success) throw new InputError(`${file}: ${result.error.issues.map(problem).join("; ")}`);
  const { compare, rows: listed } = result.data;
  const rows: Row[] = [];
  for (const { row: name, recipe: changes } of listed) {
    const against = compare === "first" ? rows[0] : rows.at(-1);
    rows.push(row(name, changed(base, besideFile(file, changes), `${file}: row "${name}"`), against?.name));
  }
  return {
    name: file,
    title: `Recipes of ${basename(file)}`,
    comparison: compare === "above" ? "each row with the one above" : `each row with "${rows[0]?.name}"`,
    rows,
    notes: [],
    teacher: undefined,
  };
}

function changed(base: Recipe, changes: Record<string, unknown>, where: string): Recipe {
  if ("extends" in changes) {
    throw new InputError(`${where}: extends: every row lies over the base recipe; give that by --recipe`);
  }
  if ("seed" in changes)
    throw new InputError(`${where}: seed: all rows have the same seeds; give them by --seeds and --seed`);
  return parseRecipe(changes, where, base);
}

function problem({ path, message }: z.core.$ZodIssue): string {
  const place = path.join(".");
  return place === "" ? `a grid is an object with rows, a list of { row, recipe }: ${message}` : `${place}: ${message}`;
}
