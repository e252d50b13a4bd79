import { join } from "node:path";
import { Command } from "commander";
import { buildTable, defaultBase, TABLE_NAMES } from "../../ablation/tables/tables.js";
import { InputError } from "../../base/errors.js";
import type { EngineName } from "../../engine/engine-name.js";
import { loadRecipe } from "../../recipe/load-recipe.js";
import type { Recipe } from "../../recipe/recipe.js";
import { plainName } from "../../run/run-folder.js";
import { createAblationProgress } from "../output/ablate-progress.js";
import { outliveOutput } from "../output/standard-output.js";
import { addDataOptions, type DataOptions, selectionFrom } from "../options/data-options.js";
import { type Device, deviceOption, engineOption } from "../options/compute-options.js";
import { withModelOfInit } from "../options/model-of-init.js";
import { addRecipeOptions, type RecipeOptions, recipeFromOptions, switchedOff } from "../options/recipe-options.js";
import { secondsOf } from "../options/time.js";
import { untilSignal } from "../stops/until-signal.js";
import { wholeNumber } from "../options/whole-number.js";

type AblateCommandOptions = RecipeOptions &
  DataOptions & {
    table?: string;
    seeds: string;
    budget?: string;
    recipe?: string;
    teacherModel?: string;
    equalEpochs?: boolean;
    out?: string;
    workers?: string;
    cache?: string;
    device: Device;
    engine?: EngineName;
    winograd?: boolean;
  };

/** `knack ablate`: trains recipes that differ in their tricks with several seeds each, and says which trick pays. */
export function ablateCommand(): Command {
  const command = new Command("ablate")
    .description("train recipes that differ in their tricks, with several seeds each, and say which trick pays")
    .argument(
      "<data>",
      "fashion-mnist, or a folder of photographs (CLASS/*.jpg), IDX files (MNIST) or CIFAR binary files",
    )
    .option("--table <table>", `${TABLE_NAMES.join(", ")}, or a .json, .ts or .js file of rows (required)`)
    .option("--seeds <count>", "runs of each row; differences are paired by seed", "3")
    .option("--budget <time>", "do less where it would take longer, such as 2h, 90m or 1h30m")
    .option(
      "--recipe <recipe>",
      "what all rows have in common: a preset or a file (default: what the paper's table starts from)",
    )
    .option(
      "--out <folder>",
      "the ablation's folder; the same again goes on there (default: runs/ablation-<data>-<table>)",
    )
    .option(
      "--teacher-model <name>",
      "network of the teacher that is trained first where rows distil and there is no --teacher",
    )
    .option("--equal-epochs", "refinements: mixup's rows train no longer than the others (the paper's: 5/3 as long)")
    .option("--workers <count>", "threads that load images; any number gives the same bits")
    .option("--cache <folder>", "keep large photographs there as small copies; pays from some megapixels on");
  addDataOptions(command)
    .addOption(deviceOption())
    .addOption(engineOption())
    .option("--no-winograd", "fast engine: compute every convolution directly");
  return addRecipeOptions(command)
    .addHelpText(
      "after",
      "\nWith another --epochs than the recipe's, its warmup and milestones keep their shares of the run. " +
        "A trick that is switched off\n(as by --no-mixup) has no row. Ctrl-C stops at a checkpoint; the same command goes on.",
    )
    .action(run);
}

async function run(data: string, options: AblateCommandOptions): Promise<void> {
  const { table: name, cache, device, engine, winograd, teacherModel, equalEpochs = false } = options;
  if (name === undefined) {
    throw new InputError(`--table: is missing; there are ${TABLE_NAMES.join(", ")}, or give a .json, .ts or .js file`);
  }
  const seeds = wholeNumber("--seeds", options.seeds, 1);
  const workers = options.workers === undefined ? undefined : wholeNumber("--workers", options.workers, 0);
  const budget = options.budget === undefined ? undefined : secondsOf("--budget", options.budget);
  const base = await baseRecipe(name, options);
  const table = await buildTable(name, { base, without: switchedOff(options), teacherModel, equalEpochs });
  refuseIdle(options, name, table.teacher !== undefined);
  const out = options.out ?? join("runs", `ablation-${plainName(data)}-${plainName(name)}`);
  // Only here, so that the other commands start without the plots' library.
  const { ablate } = await import("../../ablation/ablate.js");
  outliveOutput();
  const progress = createAblationProgress(process.stdout);
  const settings = {
    data,
    ...selectionFrom(options),
    table,
    seeds,
    budget,
    out,
    workers,
    cache,
    device,
    engine,
    winograd,
  };
  try {
    await untilSignal(progress, async (signal, exitCode) => {
      for await (const event of ablate({ ...settings, signal })) {
        progress.show(event);
        if (event.type === "interrupted") process.exitCode = exitCode();
      }
    });
  } finally {
    progress.close();
  }
}

/** The recipe that all rows start from. */
async function baseRecipe(table: string, options: AblateCommandOptions): Promise<Recipe> {
  const fallback = defaultBase(table);
  const recipe = options.recipe === undefined ? fallback : await loadRecipe(options.recipe);
  return recipeFromOptions(await withModelOfInit(recipe, options), options);
}

function refuseIdle({ teacherModel, equalEpochs }: AblateCommandOptions, table: string, trainsTeacher: boolean): void {
  if (teacherModel !== undefined && !trainsTeacher) {
    throw new InputError("--teacher-model: has no effect, because this ablation trains no teacher; drop it");
  }
  if (equalEpochs && table !== "refinements") {
    throw new InputError(`--equal-epochs: has no effect with --table ${table}; drop it`);
  }
}
