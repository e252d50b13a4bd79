import { kindOf } from "../data/kinds/kinds.js";
import type { AnySource } from "../data/sources/source.js";
import type { InputFormat, LabelledSet, Split } from "../data/split.js";
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
  source: AnySource,
  recipe: Recipe,
  checkpoint: CheckpointConfig | undefined,
): TrainingData {
  const { train, validation, description } = source;
  const own = kindOf<LabelledSet>(train).inputFormat(train);
  requireChannels(recipe, checkpoint, own?.channels ?? 3);
  if (own && recipe.imageSize !== null) {
    throw new InputError(`imageSize (--image-size): these images have their size, ${own.height}x${own.width}; drop it`);
  }
  if (own && recipe.intensity !== null) {
    throw new InputError(
      "intensity (--intensity): these images have 8 bits, and only photographs may have more; drop it",
    );
  }
  const intensity = recipe.intensity ?? undefined;
  const given = recipe.normalize ?? (checkpoint && { mean: checkpoint.mean, std: checkpoint.std });
  const cropPct = own ? 1 : (checkpoint?.crop_pct ?? modelEntry(recipe.model).photos.cropPct);
  const formatted = (set: LabelledSet): Split => {
    const kind = kindOf(set);
    const format = { ...(kind.inputFormat(set) ?? photoFormat(recipe, checkpoint)), ...given };
    return kind.formatted(set, format, { cropPct, interpolation: "bilinear", intensity });
  };
  return { train: formatted(train), validation: formatted(validation), description };
}

/** What photographs are brought to where the recipe does not say. */
function photoFormat(recipe: Recipe, checkpoint: CheckpointConfig | undefined): InputFormat {
  const size = recipe.imageSize ?? checkpoint?.input_size[1] ?? modelEntry(recipe.model).inputSize;
  const { mean, std } = modelEntry(recipe.model).photos;
  return { height: size, width: size, channels: 3, mean, std };
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
