import { kindOf } from "../../data/kinds/kinds.js";
import { type Batch, Loader } from "../../data/loading/loader.js";
import type { DataSelection } from "../../data/sources/open.js";
import { openGrouped } from "../../data/sources/open-grouped.js";
import type { AnySource } from "../../data/sources/source.js";
import { InputError } from "../../base/errors.js";
import type { EngineChoice } from "../../engine/engine-name.js";
import { formForImages } from "../../models/registry.js";
import { requireDevice } from "../../tensor/require-device.js";
import { saveCheckpoint } from "../../weights/checkpoint.js";
import { audit } from "../../run/audit.js";
import { checkpointConfig } from "../../run/checkpoint-config.js";
import { evaluationLoader } from "../../training/evaluate.js";
import { loadOwnTricks } from "../../tricks/own-trick.js";
import { startingWeights } from "../../tricks/starting-weights.js";
import type { Trick } from "../../tricks/trick.js";
import type { Recipe } from "../../recipe/recipe.js";
import { Trainer, type TrainingData } from "../../training/trainer.js";
import { withIntensity } from "../../run/intensity.js";
import { trainingData } from "../../run/training-data.js";

export interface RehearsalOptions {
  readonly data: string;
  readonly selection: DataSelection;
  readonly recipes: readonly RehearsedRecipe[];
  readonly device: string;
  readonly engine: EngineChoice;
  readonly workers: number | undefined;
}

export interface RehearsedRecipe {
  /** What to call it in messages. */
  readonly name: string;
  readonly recipe: Recipe;
  /** Whether its steps are to be timed. */
  readonly timed: boolean;
  /** Where to save its untrained network, for later recipes to take as their teacher. */
  readonly saveTo?: string | undefined;
}

/** What came of one recipe. Times in seconds. */
export interface Rehearsed {
  readonly data: string;
  readonly trainImages: number;
  readonly validationImages: number;
  readonly stepsPerEpoch: number;
  /** Undefined where it was not timed. */
  readonly times: RecipeTimes | undefined;
}

export interface RecipeTimes {
  readonly step: number;
  /** One pass over the validation images. */
  readonly evaluation: number;
  /** What a run takes before its first step: opening the data and building the network. */
  readonly start: number;
}

/** Batches before timing: the engine prepares kernels and memory in them. */
const WARM_UP = 2;
/** Timing takes so many batches at least, and goes on for so long. */
const LEAST_BATCHES = 3;
const LEAST_SECONDS = 2;
/** Far too small to change a weight, so that no recipe runs away while it is timed. */
const TINY_LR = 1e-12;

/**
 * Builds every recipe on the data as a run would, audit included, in this thread; writes nothing but the networks asked for.
 *
 * @throws InputError that names the recipe which cannot be trained
 */
export async function* rehearseHere(options: RehearsalOptions, shouldStop: () => boolean): AsyncGenerator<Rehearsed> {
  requireDevice(options.device);
  const before = performance.now();
  const opened = await openGrouped(options.data, options.selection, { shouldStop });
  if (opened === undefined) return;
  const openSeconds = (performance.now() - before) / 1000;
  for (const { name, recipe: asked, timed, saveTo } of options.recipes) {
    if (shouldStop()) return;
    const started = performance.now();
    const ownTricks = await loadOwnTricks(asked.tricks);
    const trainer = await build(name, asked, ownTricks, opened, options);
    const start = openSeconds + (performance.now() - started) / 1000;
    const { recipe, data, stepsPerEpoch } = trainer;
    if (saveTo !== undefined) saveUntrained(trainer, saveTo);
    trainer.dispose();
    yield {
      data: data.description,
      trainImages: data.train.count,
      validationImages: data.validation.count,
      stepsPerEpoch,
      times: timed ? { ...(await timeSteps(recipe, ownTricks, data, options)), start } : undefined,
    };
  }
}

/** As a run would be, audit included. */
async function build(
  name: string,
  wanted: Recipe,
  ownTricks: readonly Trick[],
  opened: AnySource,
  { device, engine }: RehearsalOptions,
): Promise<Trainer> {
  try {
    const startsFrom = startingWeights(wanted, ownTricks);
    const asked = await withIntensity(wanted, opened, startsFrom?.config);
    const data = trainingData(opened, asked, startsFrom?.config);
    const recipe = { ...asked, model: formForImages(asked.model, data.train.height, data.train.width) };
    return audited(new Trainer(recipe, data, { device, startsFrom, engine, ownTricks }), name);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${name}: ${error.message}`, error) : error;
  }
}

function audited(trainer: Trainer, run: string): Trainer {
  try {
    audit(trainer, run);
    return trainer;
  } catch (error) {
    trainer.dispose();
    throw error;
  }
}

function saveUntrained(trainer: Trainer, path: string): void {
  const config = checkpointConfig(trainer, { epoch: 0, step: 0, evaluation: null });
  saveCheckpoint(path, { weights: trainer.weights(), config });
}

/** Seconds of steps and evaluations, by doing some. */
async function timeSteps(
  recipe: Recipe,
  ownTricks: readonly Trick[],
  data: TrainingData,
  { device, engine, ...options }: RehearsalOptions,
) {
  const { batchSize, augmentation, seed } = recipe;
  const workers = options.workers ?? kindOf(data.train).defaultWorkers();
  const trainer = new Trainer({ ...recipe, lr: TINY_LR }, data, { device, engine, ownTricks });
  const training = new Loader(data.train, { batchSize, augmentation, seed, workers });
  const validation = evaluationLoader(data.validation, { workers });
  try {
    trainer.beginEpoch(recipe.epochs - 1); // when all that ever learns does
    const perTrained = await secondsPerImage(
      (epoch) => training.epoch(epoch),
      (batch) => trainer.step(batch, 0),
    );
    const perEvaluated = await secondsPerImage(
      () => validation.all(),
      (batch) => trainer.evaluate(only(batch)),
    );
    return { step: perTrained * batchSize, evaluation: perEvaluated * data.validation.count };
  } finally {
    await Promise.all([training.close(), validation.close()]);
    trainer.dispose();
  }
}

async function secondsPerImage(
  batches: (epoch: number) => AsyncIterable<Batch>,
  body: (batch: Batch) => unknown,
): Promise<number> {
  let [images, seconds, seen] = [0, 0, 0];
  for (let epoch = 0; ; epoch++) {
    let before = performance.now();
    for await (const batch of batches(epoch)) {
      await body(batch);
      const now = performance.now();
      if (seen >= WARM_UP) {
        images += batch.size;
        seconds += (now - before) / 1000;
      }
      before = now;
      seen++;
      if (seen >= WARM_UP + LEAST_BATCHES && seconds >= LEAST_SECONDS) return seconds / images;
    }
  }
}

async function* only(batch: Batch): AsyncGenerator<Batch> {
  yield batch;
}
