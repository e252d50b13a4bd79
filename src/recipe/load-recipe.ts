import { existsSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { didYouMean } from "../base/did-you-mean.js";
import { InputError } from "../base/errors.js";
import { entryAt } from "../base/folders.js";
import { isFile, loadFile } from "../base/load-file.js";
import { isObject } from "../settings/schema.js";
import { parseRecipe } from "./parse.js";
import { isPresetName, presets } from "./presets.js";
import type { Recipe } from "./recipe.js";

/** What a run keeps its recipe in. */
const RECIPE = "recipe.json";

/** Whether a path is a run's folder: its recipe can be trained again. */
export function isRunFolder(path: string): boolean {
  return existsSync(join(path, RECIPE));
}

/**
 * Loads a recipe by the name of a preset, from a run's folder, from a TypeScript or JavaScript file's default export, or from any other file or
 * pipe as JSON.
 * A file's recipe is called after the file unless it has a `name`; relative modules of its own tricks are taken from beside it.
 *
 * @throws InputError if there is no such preset or file, or the file holds no valid recipe
 */
export async function loadRecipe(spec: string): Promise<Recipe> {
  if (isPresetName(spec)) return parseRecipe(presets[spec], spec);
  if (isRunFolder(spec)) return parseRecipe(await loadFile(join(spec, RECIPE), "the recipe"), join(spec, RECIPE));
  if (isFile(spec)) {
    const recipe = await loadFile(spec, "the recipe");
    return parseRecipe(isPipe(spec) ? besideFile("recipe", recipe) : named(spec, besideFile(spec, recipe)), spec);
  }
  const names = Object.keys(presets);
  throw new InputError(
    `--recipe: there is no preset "${spec}"${didYouMean(spec, names)} (presets: ${names.join(", ")}; or give a .json, .ts or .js file, or a run's folder)`,
  );
}

/** `--recipe <(jq … recipe.json)`: its name says nothing, and nothing lies beside it. */
function isPipe(file: string): boolean {
  return entryAt(file)?.isFile() === false;
}

function named(file: string, recipe: unknown): unknown {
  return isObject(recipe) ? { name: basename(file, extname(file)), ...recipe } : recipe;
}

/** A recipe, or changes of one, from a file: the modules of its own tricks by their full paths. */
export function besideFile<T>(file: string, recipe: T): T {
  if (!isObject(recipe) || !Array.isArray(recipe.tricks)) return recipe;
  const tricks = recipe.tricks.map((own: unknown) =>
    isObject(own) && typeof own.module === "string" ? { ...own, module: resolve(dirname(file), own.module) } : own,
  );
  return { ...recipe, tricks };
}
