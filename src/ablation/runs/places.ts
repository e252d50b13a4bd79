import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { MODELS } from "../../models/registry.js";
import { parseRecipe } from "../../recipe/parse.js";
import type { Recipe } from "../../recipe/recipe.js";
import { RunFolder } from "../../run/run-folder.js";
import { differences } from "../../recipe/differences.js";
import { hasBegun } from "./results.js";

/**
 * The folder of a run in an ablation that may have been asked for more since: where a run of this very recipe is, under whatever number its row had
 * then; else the usual one, or where that holds a run of another recipe (of other epochs), the next free one beside it: "seed-0-2".
 *
 * @param usual "runs/2-warmup/seed-0", relative to the ablation's folder
 */
export function placeOf(out: string, usual: string, recipe: Recipe): string {
  const begun = [usual, ...renumbered(out, usual)].flatMap((folder) => {
    const all = [folder];
    while (hasBegun(join(out, all.at(-1) ?? ""))) all.push(`${folder}-${all.length + 1}`);
    return all.slice(0, -1);
  });
  const same = begun.find((folder) => isRunOf(join(out, folder), recipe));
  if (same !== undefined) return same;
  for (let number = 2, folder = usual; ; folder = `${usual}-${number++}`) if (!begun.includes(folder)) return folder;
}

/** Where the run would be if its row had another number. */
function renumbered(out: string, usual: string): string[] {
  const [row, runs] = [basename(dirname(usual)), join(out, dirname(dirname(usual)))];
  const named = (folder: string) => folder.replace(/^\d+-/, "");
  if (!/^\d+-/.test(row) || !existsSync(runs)) return [];
  const others = readdirSync(runs).filter(
    (other) => other !== row && /^\d+-/.test(other) && named(other) === named(row),
  );
  return others.sort().map((other) => join(dirname(dirname(usual)), other, basename(usual)));
}

/** Whether a folder's run was begun with this recipe: which form its model has for these images, and where its teacher lies, is not the recipe's. */
function isRunOf(folder: string, recipe: Recipe): boolean {
  let saved: Recipe;
  try {
    saved = parseRecipe(RunFolder.find(folder).readJson("recipe.json"), folder);
  } catch {
    return false;
  }
  const form = MODELS.get(recipe.model)?.small === saved.model ? recipe.model : saved.model;
  return differences(comparable({ ...saved, model: form }), comparable(recipe)).length === 0;
}

function comparable({ tricks, distillation, ...recipe }: Recipe): object {
  const teacher = distillation ? distillation.teacher : null;
  return {
    ...recipe,
    tricks: tricks.map((own) => ({ ...own, module: resolve(own.module) })),
    distillation: distillation && { ...distillation, teacher: teacher && basename(teacher) },
  };
}
