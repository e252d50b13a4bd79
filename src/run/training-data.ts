import type { EvaluationFormat } from "../data/pictures/evaluation-transform.js";
import type { DataSource } from "../data/image-set.js";
import type { PhotoSet, PhotoSource } from "../data/sources/photo-set.js";
import type { FormattedPhotos } from "../data/split.js";
import { InputError } from "../base/errors.js";
import { modelEntry } from "../models/registry.js";
import type { CheckpointConfig } from "../weights/config.js";
import type { TrainingData } from "../training/trainer.js";
import type { Recipe } from "../recipe/recipe.js";

/**
 * What a recipe makes of a data source. The normalisation is the recipe's, else that of the checkpoint the run starts from, else
 * photographs take what is customary for the model and small images are measured.
 *
 * @param checkpoint where a new run has its initial weights from, or an earlier run its last: what it says about its images
 * @throws InputError where the recipe asks for what the data cannot give.
 */
export function trainingData(
  source: DataSource | PhotoSource,
  recipe: Recipe,
  checkpoint: CheckpointConfig | undefined,
): TrainingData {
  const { description } = source;
  const channels = "kind" in source ? 3 : source.train.channels;
  requireChannels(recipe, checkpoint, channels);
  const given = recipe.normalize ?? (checkpoint && { mean: checkpoint.mean, std: checkpoint.std });
  if ("kind" in source) {
    const { inputSize, photos } = modelEntry(recipe.model);
    const size = recipe.imageSize ?? checkpoint?.input_size[1] ?? inputSize;
    const { mean, std } = given ?? photos;
    const evaluation: EvaluationFormat = {
      size: [size, size],
      cropPct: checkpoint?.crop_pct ?? photos.cropPct,
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
  return { train: { ...source.train, ...given }, validation: { ...source.validation, ...given }, description };
}

function requireChannels({ normalize }: Recipe, checkpoint: CheckpointConfig | undefined, channels: number): void {
  if (checkpoint && checkpoint.in_chans !== channels) {
    throw new InputError(
      `the checkpoint to start from (--init, --resume) is for images of ${checkpoint.in_chans} channels, these have ${channels}`,
    );
  }
  for (const [key, values] of Object.entries(normalize ?? {})) {
    if (values.length === channels) continue;
    throw new InputError(`normalize.${key} (--${key}): ${values.length} channels, but the images have ${channels}`);
  }
}
