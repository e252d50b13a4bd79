import { existsSync } from "node:fs";
import type { Recipe } from "../../recipe/recipe.js";
import { MODELS } from "../../models/registry.js";
import type { RecipeOptions } from "./recipe-options.js";

/**
 * Weights know their model: unless another is asked for, `--init WEIGHTS` brings it, with what they say of its options.
 *
 * @throws InputError where the weights cannot be read, or fit several models and neither --model nor the recipe chooses
 */
export async function withModelOfInit(recipe: Recipe, { init, model }: RecipeOptions): Promise<Recipe> {
  // What is missing is said where the run looks for it.
  if (init === undefined || !existsSync(init) || (model !== undefined && !MODELS.has(model))) return recipe;
  // Only here, so that commands without it start sooner.
  const { modelFor, readInitialWeights } = await import("../../weights/initial-weights.js");
  const known = model === undefined ? recipe : { model, modelOptions: recipe.modelOptions };
  return { ...recipe, ...modelFor(readInitialWeights(init), model, known) };
}
