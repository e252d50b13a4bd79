import { existsSync } from "node:fs";
import { didYouMean } from "../../base/did-you-mean.js";
import { InputError } from "../../base/errors.js";
import { isFile } from "../../base/load-file.js";
import { presets } from "../../recipe/presets.js";
import type { Recipe } from "../../recipe/recipe.js";
import { efficientTable } from "./efficient.js";
import { gridTable } from "./grid-file.js";
import { leaveOneOutTable, onlyOneTable } from "./one-trick.js";
import { refinementsTable } from "./refinements.js";
import { type AblationTable, checkRows, type TableRequest } from "./table.js";
import { tweaksTable } from "./tweaks.js";

interface BuiltIn {
  readonly build: (request: TableRequest) => AblationTable;
  /** The base recipe where none is asked for: what the paper's table starts from. */
  readonly base: Recipe;
}

const BUILT_IN: Readonly<Record<string, BuiltIn>> = {
  efficient: { build: efficientTable, base: presets.baseline },
  tweaks: { build: tweaksTable, base: presets.efficient },
  refinements: { build: refinementsTable, base: { ...presets.efficient, model: "resnet50d" } },
  "leave-one-out": { build: leaveOneOutTable, base: presets["bag-of-tricks"] },
  "only-one": { build: onlyOneTable, base: presets.baseline },
};

/** The tables that need no file. */
export const TABLE_NAMES: readonly string[] = Object.keys(BUILT_IN);

/**
 * The recipe that a table's rows have in common where none is asked for.
 *
 * @throws InputError where there is no such table or file
 */
export function defaultBase(table: string): Recipe {
  const builtIn = builtInTable(table);
  if (builtIn) return builtIn.base;
  if (!isFile(table)) {
    throw new InputError(
      `--table: there is no table "${table}"${didYouMean(table, TABLE_NAMES)} (tables: ${TABLE_NAMES.join(", ")}; or give a .json, .ts or .js file)`,
    );
  }
  if (!existsSync(table)) throw new InputError(`--table: there is no file ${table}`);
  return presets.baseline;
}

/** @throws InputError where a row is wrong, or the recipe is none that the table can be made from */
export async function buildTable(table: string, request: TableRequest): Promise<AblationTable> {
  const built = builtInTable(table)?.build(request) ?? (await gridTable(table, request.base));
  checkRows(table, built.rows);
  return built;
}

function builtInTable(table: string): BuiltIn | undefined {
  return Object.hasOwn(BUILT_IN, table) ? BUILT_IN[table] : undefined;
}
