import { openData } from "../../data/sources/open.js";
import { parseRecipe } from "../../recipe/parse.js";
import { RunFolder } from "../../run/run-folder.js";
import type { ResumeOptions, TrainOptions } from "../../run/train.js";
import { loadRecipe } from "../../recipe/load-recipe.js";

/** Whether an error says that there was no more memory. */
export function isLackOfMemory(error: unknown): boolean {
  return error instanceof Error && /^out of memory|: out of memory/.test(error.message);
}

/**
 * What a training needs and what would fit, for one that ran out of memory; undefined where that cannot be found out.
 *
 * @returns "a batch of 256 needs about 23.1 GiB, and 7.8 GiB are free: 80 would fit"
 */
export async function memoryAdvice(options: TrainOptions | ResumeOptions): Promise<string | undefined> {
  try {
    const { batchMemory, gibibytes } = await import("../../tools/memory/largest-batch.js");
    const isResumed = "resume" in options;
    const recipe = await loadRecipeOf(options);
    const run = isResumed ? RunFolder.find(options.resume).readData() : undefined;
    const data = isResumed ? (options.data ?? run?.source) : options.data;
    if (data === null || data === undefined) return undefined;
    const source = typeof data === "string" ? openData(data, isResumed ? { ...run } : options) : data;
    const engine = {
      engine: (!isResumed && options.engine) || "auto",
      winograd: isResumed || options.winograd !== false,
    } as const;
    const { bytes, available, largest } = await batchMemory(source, { recipe, engine, workers: options.workers });
    const option = isResumed ? `--batch-size ${largest} --allow-changes` : "--batch-size auto";
    const fits = largest > 0 ? `${largest} would fit (${option})` : "none fits: take a smaller model or --image-size";
    return `a batch of ${recipe.batchSize} needs about ${gibibytes(bytes)}, and ${gibibytes(available)} are free: ${fits}`;
  } catch {
    return undefined; // what went wrong before is what is to be said
  }
}

async function loadRecipeOf(options: TrainOptions | ResumeOptions) {
  const own = "resume" in options ? await loadRecipe(options.resume) : undefined;
  const { recipe } = options;
  if (typeof recipe === "string") return loadRecipe(recipe);
  return own && recipe === undefined ? own : parseRecipe(recipe, "the recipe", own);
}
