import { InputError } from "../../base/errors.js";
import { availableMemory } from "../../base/limits.js";
import { kindOf } from "../../data/kinds/kinds.js";
import type { AnySource } from "../../data/sources/source.js";
import type { EngineChoice } from "../../engine/engine-name.js";
import { bytesOfScores } from "../../metrics/outcomes.js";
import type { Recipe } from "../../recipe/recipe.js";
import { trainingData } from "../../run/training-data.js";
import { type MemoryNeed, memoryNeed } from "./memory-need.js";

/** The paper trained with no larger ones (section 3.1 names 1,024 as a large one), and each epoch should have some steps. */
const [MOST_IMAGES, LEAST_STEPS] = [1024, 10];
/** Batches are multiples of it. */
const UNIT = 8;
/** Of what is available a part is left to others. */
const SHARE = 0.9;

export interface PlannedTraining {
  readonly recipe: Recipe;
  readonly engine: EngineChoice;
  readonly workers: number | undefined;
}

/** What a training takes at most, and what there is, in bytes. */
export interface BatchMemory {
  readonly bytes: number;
  readonly available: number;
  /** The largest batch size that fits: a multiple of 8; 0 where none does. */
  readonly largest: number;
}

/** How much memory a training on these data takes with the recipe's batch size. @throws KnackError where it cannot be tried */
export async function batchMemory(
  source: AnySource,
  { recipe, engine, workers }: PlannedTraining,
): Promise<BatchMemory> {
  const { train, validation } = trainingData(source, recipe, undefined);
  const { height, width, channels, classes, count } = train;
  const photographs = kindOf(train).tag === "photos";
  const images = photographs ? 0 : count * height * width * channels;
  const held = images + bytesOfScores(validation.count, classes.length);
  const pictures = { photographs, height, width, channels, classes: classes.length };
  const need = await memoryNeed({ recipe, engine, workers, pictures }, held);
  const available = availableMemory();
  return {
    bytes: need.at(recipe.batchSize),
    available,
    largest: largestThatFits(need, available, recipe.accumulation),
  };
}

/** A multiple of 8 that accumulation divides; 0 where none fits. @param available bytes */
export function largestThatFits(need: MemoryNeed, available: number, accumulation: number): number {
  const unit = UNIT * accumulation;
  return unit * Math.floor(need.largestIn(SHARE * available) / unit);
}

/**
 * The recipe with the largest batch size that fits into the memory there is: at most 1,024 images and a tenth of the training images.
 *
 * @throws InputError where there is none
 */
export async function withLargestBatch(source: AnySource, planned: PlannedTraining): Promise<Recipe> {
  const unit = UNIT * planned.recipe.accumulation;
  const { bytes, available, largest } = await batchMemory(source, {
    ...planned,
    recipe: { ...planned.recipe, batchSize: unit },
  });
  if (largest === 0) {
    throw new InputError(
      `--batch-size auto: even ${unit} images a batch need about ${gibibytes(bytes)}, and ${gibibytes(available)} are free: take a smaller model or --image-size`,
    );
  }
  const { count } = source.train;
  const batchSize = unit * Math.floor(Math.min(MOST_IMAGES, count / LEAST_STEPS, largest) / unit);
  if (batchSize > 0) return { ...planned.recipe, batchSize };
  throw new InputError(`--batch-size auto: ${count} training images are too few to choose by memory: give a number`);
}

/** "7.31 GiB" */
export function gibibytes(bytes: number): string {
  const size = bytes / 2 ** 30;
  return `${size.toFixed(size < 10 ? 2 : 1)} GiB`;
}
