import { Command } from "commander";
import { InputError } from "../../base/errors.js";
import { AUGMENTATION_SWITCHES } from "../../data/augment/index.js";
import { loadRecipe } from "../../recipe/load-recipe.js";
import { addRecipeOptions, type RecipeOptions, recipeFromOptions } from "../options/recipe-options.js";

/** Those of `knack train` that change what the network sees. */
const OPTIONS = [
  ...["--seed", "--batch-size", "--mixup", "--no-mixup", "--mixup-pairing", "--image-size"],
  ...AUGMENTATION_SWITCHES.map(({ flags }) => flags.split(" ", 1)[0]),
];

interface PreviewOptions extends RecipeOptions {
  out: string;
  epoch: string;
  recipe: string;
}

/** `knack data preview`: a picture of what training shows the network. */
export function dataPreviewCommand(): Command {
  const command = new Command("preview")
    .description("write a picture of what the network sees: evaluation, augmented and mixed images")
    .argument("<data>", "as for knack train: fashion-mnist, or a folder of photographs or small images")
    .requiredOption("--out <file>", "the PNG to write")
    .option("--epoch <number>", "the first epoch shown", "1")
    .option("--recipe <recipe>", "as for knack train", "bag-of-tricks");
  for (const option of addRecipeOptions(new Command()).options) {
    if (OPTIONS.includes(option.long ?? "")) command.addOption(option);
  }
  return command.action(async (data: string, options: PreviewOptions) => {
    const { out } = options;
    const epoch = Number(options.epoch);
    if (!(Number.isSafeInteger(epoch) && epoch >= 1)) {
      throw new InputError(`--epoch: must be a whole number above 0, not "${options.epoch}"`);
    }
    const recipe = recipeFromOptions(await loadRecipe(options.recipe), options);
    // Only here, so that the other commands start without the engine.
    const { openData } = await import("../../data/sources/open.js");
    const { trainingData } = await import("../../run/training-data.js");
    const { writePreview } = await import("../../tools/preview.js");
    const { train } = trainingData(openData(data), recipe, undefined);
    await writePreview(train, recipe, epoch - 1, out);
    console.log(`preview: ${out}`);
  });
}
