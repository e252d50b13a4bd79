import type { EvaluationFormat } from "../data/evaluation-transform.js";
import type { DataSource } from "../data/image-set.js";
import type { PhotoSet, PhotoSource } from "../data/photo-set.js";
import type { FormattedPhotos, Split } from "../data/split.js";
import { InputError } from "../errors.js";
import { modelEntry } from "../models/registry.js";
import { customsOf } from "../weights/customs.js";
import type { InitialWeights } from "./initial-weights.js";
import type { Recipe } from "./recipe.js";

/** What to train on and what to measure on. */
export interface TrainingData {
  readonly train: Split;
  readonly validation: Split;
  /** One line for people: what it is, how much, from where. */
  readonly description: string;
}

/** The paper's evaluation: the shorter side to 256, the centre 224 (section 2.1). */
const CROP_PCT = 0.875;

/**
 * What a recipe makes of a data source. The normalisation is the recipe's, else that of the initial weights' checkpoint, else
 * photographs take what is customary for the model and small images are measured.
 *
 * @throws InputError where the recipe asks for what the data cannot give.
 */
export function trainingData(
  source: DataSource | PhotoSource,
  recipe: Recipe,
  initial: InitialWeights | undefined,
): TrainingData {
  const { description } = source;
  const { config } = initial ?? {};
  const given = recipe.normalize ?? (config && { mean: config.mean, std: config.std });
  if ("kind" in source) {
    const size = recipe.imageSize ?? config?.input_size[1] ?? modelEntry(recipe.model).inputSize;
    const { mean, std } = given ?? customsOf(recipe.model).normalisation;
    requireChannels(mean, 3);
    const evaluation: EvaluationFormat = {
      size: [size, size],
      cropPct: config?.crop_pct ?? CROP_PCT,
      interpolation: "bilinear",
      channels: 3,
    };
    const formatted = (set: PhotoSet): FormattedPhotos => {
      return { ...set, height: size, width: size, channels: 3, mean, std, evaluation };
    };
    return { train: formatted(source.train), validation: formatted(source.validation), description };
  }
  if (recipe.imageSize !== null) {
    const { height, width } = source.train;
    throw new InputError(`imageSize (--image-size): these images have their size, ${height}x${width}; drop it`);
  }
  if (!given) return source;
  requireChannels(given.mean, source.train.channels);
  return { train: { ...source.train, ...given }, validation: { ...source.validation, ...given }, description };
}

function requireChannels(mean: readonly number[], channels: number): void {
  if (mean.length === channels) return;
  throw new InputError(`normalize (--mean, --std): ${mean.length} channels, but the images have ${channels}`);
}
