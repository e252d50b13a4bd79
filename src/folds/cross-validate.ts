import { basename, join, resolve } from "node:path";
import { clearRun, noteDivergence, type RunResult, stateOf } from "../ablation/runs/results.js";
import { DivergedError, InputError } from "../base/errors.js";
import { usableProcessors } from "../base/limits.js";
import { streamFromThread } from "../base/thread-stream.js";
import { anywhere } from "../data/sources/open.js";
import { requireSplit } from "../data/split-options.js";
import { DEFAULT_ENGINE } from "../engine/engine-name.js";
import { withFullPaths } from "../recipe/full-paths.js";
import { VALIDATING } from "../run/phases.js";
import { RunFolder } from "../run/run-folder.js";
import { recipeFor, type ResumeOptions, selectionFor, type TrainOptions, train } from "../run/train.js";
import type { FoldsEvent } from "./events.js";
import { writeFoldsFiles } from "./files.js";
import { type FoldPredictions, savedPredictions } from "./fold-predictions.js";
import { type AskedFolds, readAsked, takeFolder } from "./folds-folder.js";
import type { PredictTask } from "./predict-worker.js";
import { type FoldOutcome, summarize } from "./summary.js";

/** As `train`'s, with `split.folds`, and a folder for all runs; of them the same again goes on. */
export type CrossValidateOptions = TrainOptions & { readonly out: string };

/** The rest of an earlier one. */
export type GoOnOptions = Pick<ResumeOptions, "resume" | "workers" | "device" | "signal" | "onDoing">;

/**
 * Trains as many runs as there are folds, each validated on one of them and trained on the others, and keeps what each says of the images
 * that it has not seen. Started again with the same settings it goes on where it stopped.
 *
 * @throws InputError where options are wrong, a class has too few images, or the folder holds something else; KnackError where a run fails
 *   otherwise than by diverging, which is a result
 */
export async function* crossValidate(
  options: CrossValidateOptions | GoOnOptions,
): AsyncGenerator<FoldsEvent, void, undefined> {
  const out = "resume" in options ? options.resume : options.out;
  const asked = "resume" in options ? readAsked(out) : await askedFor(options);
  using _ = takeFolder(out, asked);
  const { folds } = asked;
  const states = Array.from({ length: folds }, (_, index) => stateOf(folderOf(out, index + 1)));
  const finished = states.filter((state) => typeof state === "object").length;
  yield { type: "plan", out, folds, finished };
  const outcomes: FoldOutcome[] = [];
  for (const [index, state] of states.entries()) {
    const fold = index + 1;
    let result = typeof state === "object" ? state.result : undefined;
    if (result === undefined) {
      yield { type: "fold", fold, folds, resumed: state === "resumable" };
      result = yield* trainFold(fold, state === "resumable", asked, options);
      if (result) yield { type: "result", fold, result };
    }
    const outcome = result && (await outcomeOf(fold, result, out, options));
    if (outcome === undefined) {
      yield { type: "interrupted", out };
      return;
    }
    outcomes.push(outcome);
  }
  const summary = summarize(descriptionIn(out), outcomes);
  yield { type: "done", out, summary, files: writeFoldsFiles(out, basename(resolve(out)), summary, outcomes) };
}

/** @throws InputError where the options are wrong */
async function askedFor(options: CrossValidateOptions): Promise<AskedFolds> {
  const { data, device = "cpu", cache, split = {} } = options;
  requireSplit(split);
  const { folds } = split;
  if (folds === undefined) throw new InputError("--folds: how many is missing");
  if (options.multiLabel) {
    throw new InputError(
      "--folds: all folds together are for one label a picture; with --multi-label give --fold 1, then 2 and so on, each a run",
    );
  }
  if (typeof data !== "string") {
    throw new InputError("--folds: images given in memory are used as they are; give the name or path of a data set");
  }
  const { engine = DEFAULT_ENGINE.engine, winograd = true, reproducible = false } = options;
  return {
    data: anywhere(data),
    selection: selectionFor(options),
    folds,
    recipe: withFullPaths(await recipeFor(options.recipe)),
    device,
    engine: { engine, winograd, reproducible },
    cache: cache === undefined ? null : resolve(cache),
  };
}

function folderOf(out: string, fold: number): string {
  return join(out, `fold-${fold}`);
}

/** @returns undefined where it was stopped */
async function* trainFold(
  fold: number,
  resumed: boolean,
  { data, selection, recipe, device, engine, cache }: AskedFolds,
  options: CrossValidateOptions | GoOnOptions,
): AsyncGenerator<FoldsEvent, RunResult | undefined, undefined> {
  const { workers, signal, onDoing } = options;
  const folder = folderOf("resume" in options ? options.resume : options.out, fold);
  if (!resumed) clearRun(folder);
  const split = { ...selection.split, fold };
  const { checkpointEvery, keepCheckpoints, tensorboard, repeats }: Partial<TrainOptions> =
    "resume" in options ? {} : options;
  const how = { workers, device, signal, onDoing };
  const events = resumed
    ? train({ resume: folder, ...how })
    : train({
        ...{ data, ...selection, split, recipe, out: folder, cache: cache ?? undefined },
        ...{ ...engine, checkpointEvery, keepCheckpoints, tensorboard, repeats, ...how },
      });
  try {
    for await (const event of events) yield { type: "training", fold, event };
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    return noteDivergence(folder, error.message);
  }
  const state = stateOf(folder);
  return typeof state === "object" ? state.result : undefined;
}

/** @returns undefined where it was stopped */
async function outcomeOf(
  fold: number,
  result: RunResult,
  out: string,
  { device, workers = usableProcessors(), signal }: CrossValidateOptions | GoOnOptions,
): Promise<FoldOutcome | undefined> {
  if ("diverged" in result) return { fold, seconds: 0, diverged: result.diverged };
  const { seconds } = result;
  const folder = folderOf(out, fold);
  const saved = savedPredictions(folder);
  if (saved) return { fold, seconds, predictions: saved };
  const task: PredictTask = { folder, place: { device, workers } };
  const module = new URL("./predict-worker.js", import.meta.url);
  for await (const predictions of streamFromThread<FoldPredictions>(module, task, { signal, begins: VALIDATING })) {
    return { fold, seconds, predictions };
  }
  return undefined;
}

/** Of the first fold's run: what all have in common, and how it was divided. */
function descriptionIn(out: string): string {
  const saved = RunFolder.find(folderOf(out, 1)).readJson("data.json") as { description?: unknown };
  return String(saved.description).replace(/fold 1 of (\d+)( held out for validation)?/, "$1 folds");
}
