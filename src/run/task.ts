/** What a run is asked for: a new one, or the rest of an earlier one. */
import { resolve } from "node:path";
import { InputError } from "../base/errors.js";
import { anywhere, type DataSelection } from "../data/sources/open.js";
import type { AnySource } from "../data/sources/source.js";
import { DEFAULT_ENGINE, ENGINE_NAMES, type EngineChoice } from "../engine/engine-name.js";
import { withFullPaths } from "../recipe/full-paths.js";
import { parseRecipe } from "../recipe/parse.js";
import type { Recipe } from "../recipe/recipe.js";
import { type CheckpointPolicy, DEFAULT_CHECKPOINTS, parsePolicy, requirePolicy } from "./checkpoint-policy.js";
import { RunFolder } from "./run-folder.js";
import type { Processes } from "./together.js";

interface EngineOptions {
  /** Loader threads; any number gives the same bits. Default: one a core, at most 4, for photographs, and none for images in memory. */
  readonly workers: number | undefined;
  readonly device: string;
  /** What computes; a resumed run keeps its own. */
  readonly engine?: EngineChoice | undefined;
  /** Whether the run keeps event files for TensorBoard; a resumed run that has kept them goes on with them. */
  readonly tensorboard?: boolean | undefined;
  /** How often it is saved inside of an epoch, and how many older checkpoints stay; a resumed run keeps its own. */
  readonly checkpoints?: Partial<CheckpointPolicy> | undefined;
  /** The processes that train the model together; absent where this one trains it alone. */
  readonly processes?: Processes | undefined;
  /** Whether their batch norms take the statistics of whole batches; a resumed run keeps its own. */
  readonly syncBatchNorm?: boolean | undefined;
}

export interface NewRun extends EngineOptions {
  readonly data: string | AnySource;
  /** What of `data` is used; only where that is a name or a path. */
  readonly selection?: DataSelection | undefined;
  readonly recipe: Recipe;
  /** The run's folder, which must not be there yet or be empty. */
  readonly out: string;
  /** Whether a folder of the next free number is taken instead, where `out` is there. */
  readonly numbered?: boolean | undefined;
  /** A folder that keeps large training photographs as small copies, for this run and later ones. */
  readonly cache?: string | undefined;
  /** A run, or a checkpoint, whose convolutions' algorithms are taken: on the same kind of machine the same bits are computed. */
  readonly repeats?: string | undefined;
}

/** The rest of an earlier run, whose recipe and data it takes. */
export interface ResumedRun extends EngineOptions {
  /** The run's folder. */
  readonly resume: string;
  /** Needed only where the run was given its images in memory, or where they have another place now. */
  readonly data?: string | AnySource;
  /** What it is to go on with in place of its own. */
  readonly recipe?: Recipe | undefined;
  /** Whether it may go on with other settings, and on other images. */
  readonly allowChanges?: boolean | undefined;
}

export type SessionOptions = NewRun | ResumedRun;

/** Either of them, with everything that was said earlier. */
export interface Task {
  readonly recipe: Recipe;
  readonly source: string | AnySource;
  readonly selection?: DataSelection | undefined;
  readonly out: string;
  readonly numbered?: boolean | undefined;
  readonly cache: string | undefined;
  readonly engine: EngineChoice;
  readonly checkpoints: CheckpointPolicy;
  readonly syncBatchNorm: boolean;
  readonly repeats?: string | undefined;
}

/** @throws InputError where the earlier run cannot go on */
export function taskOf(options: SessionOptions): Task {
  return "resume" in options ? earlierRun(options) : newRun(options);
}

/** Folders and files are remembered by their full paths, so that the run can be resumed from anywhere. */
function newRun(run: NewRun): Task {
  const { recipe, data, selection, out, numbered, cache, engine = DEFAULT_ENGINE, repeats } = run;
  const checkpoints = requirePolicy({ ...DEFAULT_CHECKPOINTS, ...run.checkpoints });
  const source = typeof data === "string" ? anywhere(data) : data;
  const place = { out, numbered, cache: cache && resolve(cache) };
  const { syncBatchNorm = false } = run;
  return { recipe: withFullPaths(recipe), source, selection, ...place, engine, checkpoints, repeats, syncBatchNorm };
}

function earlierRun({ resume, data, recipe: other, checkpoints: asked, syncBatchNorm: sync }: ResumedRun): Task {
  const run = RunFolder.open(resume);
  const recipe = withFullPaths(other ?? parseRecipe(run.readJson("recipe.json"), `${resume}/recipe.json`));
  const { source, cache, classes: _, ...selection } = run.readData();
  const saved = (run.readJson("environment.json") ?? {}) as Record<string, unknown>;
  const engine = savedEngine(saved);
  const checkpoints = requirePolicy({ ...parsePolicy(saved.checkpoints), ...asked });
  const syncBatchNorm = sync ?? saved.syncBatchNorm === true;
  const earlier = { recipe, out: resume, cache, engine, checkpoints, syncBatchNorm };
  if (typeof data === "string") return { ...earlier, source: anywhere(data), selection };
  if (data) return { ...earlier, source: data };
  if (source !== null) return { ...earlier, source, selection };
  throw new InputError(`${resume}: the run was given its images by a program, and only that can resume it`);
}

/** Runs of earlier versions were computed by the plain engine and do not say so. */
function savedEngine(saved: Record<string, unknown>): EngineChoice {
  const engine = ENGINE_NAMES.find((name) => name === saved.engine) ?? "plain";
  return { engine, winograd: saved.winograd !== false, reproducible: saved.reproducible === true };
}
