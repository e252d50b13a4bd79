import { resolve } from "node:path";
import type { DataSelection } from "../data/sources/open.js";
import { type AnySource, listOptions } from "../data/sources/source.js";
import { InputError } from "../base/errors.js";
import { placeFrom } from "../base/launcher.js";
import type { EngineName } from "../engine/engine-name.js";
import { settleLibraries } from "../native/torch/library-settings.js";
import type { TrainEvent } from "./events.js";
import { isRunFolder, loadRecipe } from "../recipe/load-recipe.js";
import { presets } from "../recipe/presets.js";
import { parseRecipe } from "../recipe/parse.js";
import type { Recipe, RecipeInput } from "../recipe/recipe.js";
import type { CheckpointInterval } from "./checkpoint-policy.js";
import { defaultRunPath, hasCheckpoint } from "./run-folder.js";
import { OPENING } from "./phases.js";
import type { SessionOptions } from "./task.js";
import type { Processes } from "./together.js";
import { streamFromThread } from "../base/thread-stream.js";

export interface TrainOptions extends DataSelection {
  /** "fashion-mnist", a folder of photographs, IDX or CIFAR binary files, or an opened source. */
  readonly data: string | AnySource;
  /** A preset's name, a recipe file, or a recipe whose missing keys come from the baseline or the preset it extends. */
  readonly recipe: string | RecipeInput;
  /** The run's folder; default `runs/<data>-<recipe>-<date>`. */
  readonly out?: string | undefined;
  /** Loader threads; any number gives the same bits. Default: one a core, at most 4, for photographs, and none for images in memory. */
  readonly workers?: number | undefined;
  /** A folder that keeps large training photographs as small copies, for this run and later ones. Pays from some megapixels on. */
  readonly cache?: string | undefined;
  /** "cpu" (default) or "cuda". */
  readonly device?: string | undefined;
  /** What computes: "auto" (default) takes the fast engine where it can, see docs/performance.md. A resumed run keeps its own. */
  readonly engine?: EngineName | undefined;
  /** Whether the fast engine may use Winograd's algorithm; default true. */
  readonly winograd?: boolean | undefined;
  /** Whether nothing is chosen by timing: the same kind of machine then always computes the same bits, README, "The same bits"; default false. */
  readonly reproducible?: boolean | undefined;
  /** A run, or a checkpoint, whose convolutions' algorithms are taken, for the same bits; default the run that `recipe` names, if it does. */
  readonly repeats?: string | undefined;
  /** Keep event files for TensorBoard in the run's folder; default false. A resumed run that has kept them goes on with them. */
  readonly tensorboard?: boolean | undefined;
  /** How often the run is saved inside of an epoch; default every 10 minutes. A resumed run keeps its own. */
  readonly checkpointEvery?: CheckpointInterval | undefined;
  /** How many older checkpoints stay beside the last one; default 2. A resumed run keeps its own. */
  readonly keepCheckpoints?: number | undefined;
  /** Whether this process is one of several that train the model together, as RANK, WORLD_SIZE and so on say; default false. */
  readonly distributed?: boolean | undefined;
  /** Whether the batch norms of several processes take the statistics of whole batches; default false. A resumed run keeps its own. */
  readonly syncBatchNorm?: boolean | undefined;
  /** Seconds after which a process that the others wait for, or that is silent, ends them all; default 30. */
  readonly distributedTimeout?: number | undefined;
  /** Stops the run cleanly, at a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** Is told what the run is at, beside its events: "opening the data", "measuring convolutions", "training", … */
  readonly onDoing?: ((what: string) => void) | undefined;
}

export interface ResumeOptions
  extends Pick<
    TrainOptions,
    | "workers"
    | "device"
    | "tensorboard"
    | "checkpointEvery"
    | "keepCheckpoints"
    | "distributed"
    | "syncBatchNorm"
    | "distributedTimeout"
    | "signal"
    | "onDoing"
  > {
  /** The run's folder. */
  readonly resume: string;
  /** Needed only where the run was given its images in memory, or where they have another place now. */
  readonly data?: string | AnySource | undefined;
  /** What it goes on with in place of its own settings: `{ epochs: 40 }` trains for longer. Default: as before. */
  readonly recipe?: RecipeInput | undefined;
  /** Whether it may go on with other settings than `epochs` and `lr`, and on other images; they are kept in its history. Default: false. */
  readonly allowChanges?: boolean | undefined;
}

/**
 * Trains a model, in a thread of its own, as a stream of events: first "audit", then "step", "epoch" and "checkpoint", last
 * "done" or, where it was stopped, "interrupted" (nothing, where it had not begun). Leaving the loop early (`break`) stops the run cleanly at a checkpoint too.
 *
 * @throws InputError where options, recipe, data or teacher are wrong; KnackError where the run fails, of them DivergedError where
 *   its loss is no longer finite.
 * @example
 * for await (const event of train({ data: "fashion-mnist", recipe: "baseline" })) {
 *   if (event.type === "epoch") console.log(event.epoch, event.top1);
 * }
 */
export async function* train(options: TrainOptions | ResumeOptions): AsyncGenerator<TrainEvent, void, undefined> {
  settleLibraries();
  const task = await sessionOptions(options);
  const { signal, onDoing } = options;
  yield* streamFromThread<TrainEvent>(new URL("./training-worker.js", import.meta.url), task, {
    signal,
    begins: OPENING,
    onDoing,
  });
}

async function sessionOptions(asked: TrainOptions | ResumeOptions): Promise<SessionOptions> {
  const processes = processesFor(asked);
  const options = processes ? goingOn(asked, processes) : asked;
  const { syncBatchNorm } = options;
  const { workers, device = "cpu", tensorboard, checkpointEvery: every, keepCheckpoints: keep } = options;
  const checkpoints = { ...(every && { every }), ...(keep !== undefined && { keep }) };
  if ("resume" in options) {
    const { resume, data, allowChanges } = options;
    const recipe = options.recipe && parseRecipe(options.recipe, "the recipe", await loadRecipe(resume));
    const how = { workers, device, tensorboard, checkpoints, processes, syncBatchNorm };
    return { resume, recipe, allowChanges, ...how, ...(data && { data }) };
  }
  const { engine: name = "auto", winograd = true, reproducible = false } = options;
  const engine = { engine: name, winograd, reproducible };
  const { data, holdOut, trainShare, split } = options;
  const list = listOptions(options);
  if (
    typeof data !== "string" &&
    [holdOut, trainShare, split, ...Object.values(list)].some((value) => value !== undefined)
  ) {
    throw new InputError(
      "holdOut, trainShare, split, images …: images given in memory are used as they are; drop them",
    );
  }
  const recipe = await recipeFor(options.recipe);
  const { out = defaultRunPath(typeof data === "string" ? data : "images", recipe.name), cache } = options;
  const numbered = options.out === undefined;
  const isRun = typeof options.recipe === "string" && isRunFolder(options.recipe);
  const repeats = options.repeats ?? (isRun ? (options.recipe as string) : undefined);
  return {
    data,
    selection: selectionFor(options),
    recipe,
    out,
    numbered,
    cache,
    workers,
    device,
    engine,
    tensorboard,
    checkpoints,
    repeats,
    processes,
    syncBatchNorm,
  };
}

/** @throws InputError where several processes are asked for and cannot be */
function processesFor({
  distributed = false,
  distributedTimeout: timeout = 30,
  device = "cpu",
}: TrainOptions | ResumeOptions): Processes | undefined {
  const place = distributed ? placeFrom() : undefined;
  if (!place) return undefined;
  if (!(timeout > 0)) {
    throw new InputError(`distributedTimeout (--dist-timeout): must be a number of seconds above 0, not ${timeout}`);
  }
  if (device !== "cpu") {
    throw new InputError(
      `device (--device): several processes train on CPUs, by Gloo, and not on ${device}; drop --device`,
    );
  }
  return { place, timeout };
}

/** What a launcher has started again goes on with the run that it had begun, where that has a name and a checkpoint. */
function goingOn(options: TrainOptions | ResumeOptions, { place }: Processes): TrainOptions | ResumeOptions {
  if ("resume" in options || place.restarts === 0 || options.out === undefined || !hasCheckpoint(options.out)) {
    return options;
  }
  const { recipe: _, data, out, ...others } = options;
  return { ...others, resume: out, ...(typeof data !== "string" && { data }) };
}

/** A preset's or a file's recipe, or one completed from the baseline or the preset it extends. */
export async function recipeFor(asked: string | RecipeInput): Promise<Recipe> {
  return typeof asked === "string" ? await loadRecipe(asked) : parseRecipe(asked, "the recipe", presets.baseline);
}

/** What of the data is used, files and folders by their full paths: a run remembers it. */
export function selectionFor(options: DataSelection): DataSelection {
  const { holdOut, trainShare, split } = options;
  const { images, ...list } = listOptions(options);
  const file = split?.file === undefined ? {} : { file: resolve(split.file) };
  return { holdOut, trainShare, split: split && { ...split, ...file }, ...list, images: images && resolve(images) };
}
