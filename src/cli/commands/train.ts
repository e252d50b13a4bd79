import { dirname } from "node:path";
import { Command } from "commander";
import { InputError, KnackError } from "../../base/errors.js";
import { placeFrom } from "../../base/launcher.js";
import { OtherPrograms, sharedCores } from "../../base/other-programs.js";
import { type DataSelection, openData } from "../../data/sources/open.js";
import { isFoldsFolder } from "../../folds/folds-folder.js";
import type { EngineName } from "../../engine/engine-name.js";
import { problemText, type ReportOutcome, trainWithReport } from "../../train.js";
import { computingThreads } from "../../native/torch/library-settings.js";
import type { Recipe } from "../../recipe/recipe.js";
import { isRunFolder, loadRecipe } from "../../recipe/load-recipe.js";
import type { WarningEvent } from "../../run/events.js";
import { COMPARING, MEASURING } from "../../run/phases.js";
import { type ResumeOptions, type TrainOptions, train } from "../../run/train.js";
import { autoRecipeFor, summaryOf } from "./train-auto.js";
import { asFolds, trainFolds } from "./train-folds.js";
import { addDataOptions, type DataOptions, ofOneFold, selectionFrom } from "../options/data-options.js";
import { addCheckpointOptions, type CheckpointOptions, checkpointsFrom } from "../options/checkpoint-options.js";
import { type Device, deviceOption, engineOption } from "../options/compute-options.js";
import { isLackOfMemory, memoryAdvice } from "../output/memory-advice.js";
import { createProgress, type Progress, SILENT } from "../output/progress.js";
import { outliveOutput } from "../output/standard-output.js";
import { addProcessesOptions, type ProcessesOptions, processesFrom } from "../options/processes-options.js";
import { withModelOfInit } from "../options/model-of-init.js";
import {
  addRecipeOptions,
  dashed,
  RECIPE_OPTIONS,
  type RecipeOptions,
  recipeFromOptions,
  recipeToGoOn,
} from "../options/recipe-options.js";
import { untilSignal } from "../stops/until-signal.js";
import { wholeNumber } from "../options/whole-number.js";

type TrainCommandOptions = RecipeOptions &
  DataOptions &
  CheckpointOptions &
  ProcessesOptions & {
    recipe?: string;
    budget?: string;
    out?: string;
    resume?: string;
    workers?: string;
    cache?: string;
    device: Device;
    engine?: EngineName;
    winograd?: boolean;
    reproducible?: boolean;
    tensorboard?: boolean;
    allowChanges?: boolean;
    json?: boolean;
  };

/** What may be said beside --resume. */
const ALSO_ON_RESUME = new Set([
  "resume",
  "workers",
  "device",
  "json",
  "tensorboard",
  "checkpointEvery",
  "keepCheckpoints",
  "allowChanges",
  "syncBn",
  "distTimeout",
]);

/** `knack train`: trains a model by a recipe; Ctrl-C stops it at a checkpoint. */
export function trainCommand(): Command {
  const command = new Command("train")
    .description("train a model by a recipe; Ctrl-C stops at a checkpoint, --resume goes on from it")
    .argument(
      "[data]",
      "fashion-mnist, or a folder of photographs (CLASS/*.jpg), IDX files (MNIST) or CIFAR binary files",
    )
    .option(
      "--recipe <recipe>",
      "auto, baseline, efficient, bag-of-tricks, fine-tune, a .json, .ts or .js file, or a run's folder (default: auto for photographs, if model, epochs, batch size and rate are left to it; else baseline)",
    )
    .option("--budget <time>", "auto: how long training may take, such as 20m or 1h30m (default: 20m)")
    .option("--out <folder>", "the run's folder (default: runs/<data>-<recipe>-<date>)")
    .option("--resume <run>", "go on with the run in this folder; with --epochs for longer")
    .option("--allow-changes", "let a resumed run go on with other settings, and on other data")
    .option(
      "--workers <count>",
      "threads that load images; any number gives the same bits (default: 0; photographs: one a core, up to 4)",
    )
    .option("--cache <folder>", "keep large photographs there as small copies; pays from some megapixels on");
  addProcessesOptions(addCheckpointOptions(addDataOptions(command)))
    .addOption(deviceOption())
    .addOption(engineOption())
    .option("--no-winograd", "fast engine: compute every convolution directly")
    .option("--reproducible", "choose nothing by timing: the same bits on every machine of one kind, and slower")
    .option("--tensorboard", "also keep event files for TensorBoard, in tensorboard/ of the run's folder")
    .option("--json", "print one JSON object a line");
  return addRecipeOptions(command).action(async (data: string | undefined, options: TrainCommandOptions) => {
    const { json = false } = options;
    outliveOutput();
    const others = new OtherPrograms();
    const shared = () => (options.device === "cuda" ? undefined : sharedCores(others.processors(), computingThreads()));
    const isShown = (placeFrom()?.rank ?? 0) === 0;
    const progress = isShown ? createProgress(process.stdout, { json, shared }) : SILENT;
    let asked: TrainOptions | ResumeOptions | undefined;
    try {
      asked = await trainOptions(data, options);
      const folds = asFolds(asked);
      if (folds && asked.distributed) {
        throw new InputError("--folds: each fold is trained by one process; start knack train by itself");
      }
      const audience = { forPeople: !json && isShown, isFirst: isAuto(asked) };
      await (folds ? trainFolds(folds, json) : run(asked, progress, audience));
    } catch (thrown) {
      const advice = asked && isLackOfMemory(thrown) ? await memoryAdvice(asked) : undefined;
      const error = advice === undefined ? thrown : new KnackError(`${(thrown as Error).message}; ${advice}`);
      if (json) progress.show({ type: "error", message: error instanceof Error ? error.message : String(error) });
      throw error;
    } finally {
      progress.close();
    }
  });
}

async function trainOptions(
  data: string | undefined,
  options: TrainCommandOptions,
): Promise<TrainOptions | ResumeOptions> {
  const { resume, recipe: spec, out, cache, device, engine, winograd, reproducible, tensorboard } = options;
  const workers = options.workers === undefined ? undefined : wholeNumber("--workers", options.workers, 0);
  const together = { distributed: placeFrom() !== undefined, ...processesFrom(options) };
  if (resume !== undefined) {
    const asked = Object.entries({ ...options, winograd: winograd === false ? false : undefined }).filter(
      ([name, value]) => value !== undefined && !ALSO_ON_RESUME.has(name),
    );
    const other = asked.find(([name]) => !RECIPE_OPTIONS.has(name));
    if (other) {
      const [name, value] = other;
      const option = `--${value === false ? "no-" : ""}${dashed(name)}`;
      throw new InputError(`--resume: the run knows its recipe, folder and engine; drop ${option}`);
    }
    if (asked.length > 0 && isFoldsFolder(resume)) {
      const [name] = asked[0] as [string, unknown];
      throw new InputError(`--resume: folds go on with the settings they began with; drop --${dashed(name)}`);
    }
    const own = asked.length === 0 ? undefined : recipeToGoOn(await loadRecipe(resume), options);
    const how = { workers, device, tensorboard, ...checkpointsFrom(options), ...together };
    return { resume, data, recipe: own, allowChanges: options.allowChanges, ...how };
  }
  if (options.allowChanges) throw new InputError("--allow-changes: it is for a run that goes on; give --resume RUN");
  if (data === undefined) throw new InputError("the data is missing: knack train fashion-mnist, or a folder's path");
  const isLargest = options.batchSize === "auto";
  const given = isLargest ? { ...options, batchSize: undefined } : options;
  const chosen = await autoRecipeFor(data, options);
  const asked = recipeFromOptions(
    chosen ?? (await withModelOfInit(await loadRecipe(spec ?? "baseline"), given)),
    given,
  );
  const repeats = spec !== undefined && isRunFolder(spec) ? spec : undefined;
  const how = { workers, device, engine, winograd, reproducible, repeats, ...checkpointsFrom(options), ...together };
  const selection = selectionFrom(options);
  const recipe = isLargest ? await largest(asked, data, selection, how) : asked;
  return { data, ...selection, recipe, out, cache, ...how, tensorboard };
}

/** Who reads along: people, and whether it is their first run, which ends with what to do next. */
interface Audience {
  readonly forPeople: boolean;
  readonly isFirst: boolean;
}

function isAuto({ recipe }: TrainOptions | ResumeOptions): boolean {
  return typeof recipe === "object" && recipe.name === "auto";
}

/** `--batch-size auto` */
async function largest(
  recipe: Recipe,
  data: string,
  selection: DataSelection,
  { engine = "auto", winograd = true, workers }: Pick<TrainOptions, "engine" | "winograd" | "workers">,
): Promise<Recipe> {
  const { withLargestBatch } = await import("../../tools/memory/largest-batch.js");
  const planned = { recipe, engine: { engine, winograd }, workers };
  const found = await withLargestBatch(openData(data, ofOneFold(selection)), planned);
  console.error(`knack: batch size ${found.batchSize}: the largest that fits`);
  return found;
}

/** What takes a while before the first line of a run: once a machine, and once a data set. */
const TOLD: readonly string[] = [MEASURING.what, COMPARING.what];

async function run(options: TrainOptions | ResumeOptions, progress: Progress, audience: Audience): Promise<void> {
  let report: ReportOutcome | undefined;
  let begun = false;
  const tell = (outcome: ReportOutcome) => {
    report = outcome;
  };
  await untilSignal(progress, async (signal, exitCode) => {
    const onDoing = (what: string) => {
      if (audience.forPeople && TOLD.includes(what)) console.log(`${what} …`);
    };
    const told = { ...options, signal, onDoing };
    // The report of a run is written by who writes its folder.
    for await (const event of progress === SILENT ? train(told) : trainWithReport(told, tell)) {
      begun = true;
      progress.show(event.type === "warning" && event.lackOfMemory ? await withAdvice(event, options) : event);
      if (event.type === "interrupted") process.exitCode = exitCode();
    }
    if (!begun) {
      console.error("knack: stopped before the run began: start it again");
      process.exitCode = exitCode();
    }
    if (report) showReport(report, audience);
    // The run is done, and only its report was stopped.
    if (report && "problem" in report && signal.aborted) process.exitCode = exitCode();
  });
}

async function withAdvice(event: WarningEvent, options: TrainOptions | ResumeOptions): Promise<WarningEvent> {
  const advice =
    (await memoryAdvice(options)) ?? "knack doctor MODEL --batch-size N says what it needs, and what would fit";
  return { ...event, message: `${event.message}: ${advice}` };
}

/** The run is done and saved: a report that cannot be written is a warning. */
function showReport(outcome: ReportOutcome, { forPeople, isFirst }: Audience): void {
  if ("problem" in outcome) console.error(`knack: warning: ${problemText(outcome)}`);
  else if (forPeople) {
    console.log(`report: ${outcome.file}`);
    if (isFirst && outcome.best) for (const line of summaryOf(outcome.best, dirname(outcome.file))) console.log(line);
  }
}
