import { resolve } from "node:path";
import { isObject } from "../settings/schema.js";
import { TRICKS } from "../tricks/index.js";
import type { Trick } from "../tricks/trick.js";
import type { Recipe } from "./recipe.js";

/** The recipe with every path in it full, so that a run can be resumed and repeated from any folder. */
export function withFullPaths(recipe: Recipe): Recipe {
  const paths = TRICKS.flatMap((trick: Trick) => trick.paths ?? []);
  const changes = paths.flatMap((path) => {
    const [key = "", inner = ""] = path.split(".");
    const settings: unknown = Object.entries(recipe).find(([name]) => name === key)?.[1];
    const value = isObject(settings) ? settings[inner] : undefined;
    return isObject(settings) && typeof value === "string" ? [[key, { ...settings, [inner]: resolve(value) }]] : [];
  });
  const tricks = recipe.tricks.map((own) => ({ ...own, module: resolve(own.module) }));
  return { ...recipe, ...Object.fromEntries(changes), tricks };
}
