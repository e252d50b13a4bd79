import { Command } from "commander";
import { InputError } from "../../base/errors.js";
import { loadRecipe } from "../../recipe/load-recipe.js";
import { presets } from "../../recipe/presets.js";
import type { Switch } from "../../settings/switches.js";
import { TRICKS } from "../../tricks/index.js";
import { momentsOf } from "../../tricks/running-tricks.js";
import type { Trick } from "../../tricks/trick.js";
import { autoRecipeFor } from "./train-auto.js";
import { addListOptions, type ListCommandOptions, listOptionsFrom } from "../options/data-options.js";
import { addRecipeOptions, type RecipeOptions, recipeFromOptions } from "../options/recipe-options.js";

/** Keys that change what the network sees, beside those of augmentation and of the tricks that change batches. */
const KEYS = ["seed", "batchSize", "imageSize", "resize", "channels", "intensity"];
const OF_TRICKS: readonly Switch[] = TRICKS.filter((trick: Trick) =>
  momentsOf(trick, presets.baseline).has("batch"),
).flatMap(({ switches }): readonly Switch[] => switches);

const changesImages = (each: Switch) =>
  KEYS.includes(each.key) || each.key.startsWith("augmentation.") || OF_TRICKS.includes(each);

type PreviewOptions = RecipeOptions &
  ListCommandOptions & {
    out: string;
    epoch: string;
    recipe?: string;
  };

/** `knack data preview`: a picture of what training shows the network. */
export function dataPreviewCommand(): Command {
  const command = new Command("preview")
    .description("write a picture of what the network sees: evaluation, augmented and mixed images")
    .argument("<data>", "as for knack train: fashion-mnist, or a folder of photographs or small images")
    .requiredOption("--out <file>", "the PNG to write")
    .option("--epoch <number>", "the first epoch shown", "1")
    .option("--recipe <recipe>", "as for knack train, and what it takes by default");
  return addRecipeOptions(addListOptions(command), changesImages).action(
    async (data: string, options: PreviewOptions) => {
      const { out } = options;
      const epoch = Number(options.epoch);
      if (!(Number.isSafeInteger(epoch) && epoch >= 1)) {
        throw new InputError(`--epoch: must be a whole number above 0, not "${options.epoch}"`);
      }
      const chosen = await autoRecipeFor(data, { ...options, device: "cpu" });
      const recipe = recipeFromOptions(chosen ?? (await loadRecipe(options.recipe ?? "baseline")), options);
      // Only here, so that the other commands start without the engine.
      const { openData } = await import("../../data/sources/open.js");
      const { withIntensity } = await import("../../run/intensity.js");
      const { trainingData } = await import("../../run/training-data.js");
      const { writePreview } = await import("../../tools/preview.js");
      const source = openData(data, listOptionsFrom(options));
      const { train } = trainingData(source, await withIntensity(recipe, source, undefined), undefined);
      await writePreview(train, recipe, epoch - 1, out);
      console.log(`preview: ${out}, of recipe ${recipe.name}`);
    },
  );
}
