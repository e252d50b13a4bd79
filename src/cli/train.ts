import { Command } from "commander";
import { InputError, KnackError } from "../errors.js";
import { loadRecipe } from "../training/load-recipe.js";
import { type ResumeOptions, type TrainOptions, train } from "../training/train.js";
import { type Device, deviceOption } from "./device-option.js";
import { createProgress } from "./progress.js";
import { addRecipeOptions, type RecipeOptions, recipeFromOptions } from "./recipe-options.js";

interface TrainCommandOptions extends RecipeOptions {
  recipe?: string;
  out?: string;
  resume?: string;
  workers: string;
  device: Device;
  json?: boolean;
}

/** What a shell gives a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/** `knack train`: trains a model by a recipe; Ctrl-C stops it at a checkpoint. */
export function trainCommand(): Command {
  const command = new Command("train")
    .description("train a model by a recipe; Ctrl-C stops at a checkpoint, --resume goes on from it")
    .argument("[data]", "fashion-mnist, a folder of IDX files (MNIST) or of CIFAR binary files")
    .option("--recipe <recipe>", "baseline, efficient, bag-of-tricks, or a .json, .ts or .js file (default: baseline)")
    .option("--out <folder>", "the run's folder (default: runs/<data>-<recipe>-<date>)")
    .option("--resume <run>", "go on with the run in this folder, with its own data and recipe")
    .option("--workers <count>", "threads that load images; any number gives the same bits", "0")
    .addOption(deviceOption())
    .option("--json", "print one JSON object a line");
  return addRecipeOptions(command).action(async (data: string | undefined, options: TrainCommandOptions) => {
    await run(await trainOptions(data, options), options.json ?? false);
  });
}

async function trainOptions(
  data: string | undefined,
  options: TrainCommandOptions,
): Promise<TrainOptions | ResumeOptions> {
  const { resume, recipe: spec, out, device } = options;
  const workers = Number(options.workers);
  if (!Number.isSafeInteger(workers) || workers < 0) {
    throw new InputError(`--workers: must be 0 or a whole number above it, not "${options.workers}"`);
  }
  if (resume !== undefined) {
    if (data !== undefined) throw new InputError("--resume: the run knows its data; drop the argument");
    const { resume: _, workers: __, device: ___, json: ____, ...others } = options;
    const [other] = Object.keys(others);
    if (other) throw new InputError(`--resume: the run knows its recipe and folder; drop the option for ${other}`);
    return { resume, workers, device };
  }
  if (data === undefined) throw new InputError("the data is missing: knack train fashion-mnist, or a folder's path");
  const recipe = recipeFromOptions(await loadRecipe(spec ?? "baseline"), options);
  return { data, recipe, out, workers, device };
}

async function run(options: TrainOptions | ResumeOptions, json: boolean): Promise<void> {
  const abort = new AbortController();
  const progress = createProgress(process.stdout, { json });
  const onSignal = () => {
    if (!json) process.stderr.write("\nstopping at a checkpoint …\n");
    abort.abort();
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    for await (const event of train({ ...options, signal: abort.signal })) {
      progress.show(event);
      if (event.type === "interrupted") process.exitCode = INTERRUPTED;
    }
  } catch (error) {
    if (json && error instanceof KnackError) progress.show({ type: "error", message: error.message });
    throw error;
  } finally {
    progress.close();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
