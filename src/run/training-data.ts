import type { EvaluationLook } from "../data/kinds/kind.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { AnySource } from "../data/sources/source.js";
import type { InputFormat, LabelledSet, Split } from "../data/split.js";
import { InputError } from "../base/errors.js";
import { modelEntry } from "../models/registry.js";
import { forChannels } from "../settings/channels.js";
import { canAdapt } from "../weights/adapt-channels.js";
import { sidesOf, sizeText } from "../settings/image-size.js";
import { type CheckpointConfig, lookOf } from "../weights/config.js";
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
  const channels = own?.channels ?? recipe.channels ?? checkpoint?.in_chans ?? 3;
  requireChannels(recipe, checkpoint, channels);
  if (own && recipe.imageSize !== null) {
    throw new InputError(`imageSize (--image-size): these images have their size, ${own.height}x${own.width}; drop it`);
  }
  if (own && recipe.resize !== null) {
    throw new InputError(`resize (--resize): these images have their size, ${own.height}x${own.width}; drop it`);
  }
  if (own && recipe.channels !== null) {
    throw new InputError(`channels (--channels): these images have theirs, ${own.channels}; drop it`);
  }
  if (own && recipe.intensity !== null) {
    throw new InputError(
      "intensity (--intensity): these images have 8 bits, and only photographs may have more; drop it",
    );
  }
  const given = recipe.normalize ?? (checkpoint && normalisationFor(checkpoint, channels));
  const look = lookFor(recipe, checkpoint);
  const formatted = (set: LabelledSet): Split => {
    const kind = kindOf(set);
    const format = { ...(kind.inputFormat(set) ?? photoFormat(recipe, checkpoint, channels)), ...given };
    return kind.formatted(set, format, look);
  };
  const formattedTrain = formatted(train);
  const brought = own ? undefined : broughtText(formattedTrain, look);
  return {
    train: formattedTrain,
    validation: formatted(validation),
    description: brought === undefined ? description : `${description}; ${brought}`,
  };
}

/** Only training reads the copies: accuracy is measured on the pictures themselves. A run that is to stop needs none. */
export async function withCache(
  data: TrainingData,
  cache: string | undefined,
  shouldStop: () => boolean,
): Promise<TrainingData> {
  if (cache === undefined) return data;
  const { train } = data;
  return { ...data, train: await kindOf(train).cached(train, cache, shouldStop) };
}

/** What photographs are brought to where the recipe does not say. */
function photoFormat(recipe: Recipe, checkpoint: CheckpointConfig | undefined, channels: number): InputFormat {
  const { inputSize, photos } = modelEntry(recipe.model);
  const [, ...before] = checkpoint?.input_size ?? [];
  const [height = inputSize, width = height] = sidesOf(recipe.imageSize) ?? before;
  return { height, width, channels, ...normalisationFor(photos, channels) };
}

/** How photographs are brought there. Of one that is seen as a whole evaluation cuts nothing off. */
function lookFor({ resize, intensity, model }: Recipe, checkpoint: CheckpointConfig | undefined): EvaluationLook {
  const before = checkpoint && lookOf(checkpoint);
  const mode = resize ?? before?.resize ?? "crop";
  const customary = mode === "crop" ? modelEntry(model).photos.cropPct : 1;
  const cropPct = before?.resize === mode ? before.cropPct : customary;
  return { resize: mode, cropPct, interpolation: "bilinear", intensity: intensity ?? undefined };
}

/** Where pictures do not simply become squares: "padded to 192 pixels high and 320 wide". */
function broughtText({ height, width }: Split, { resize }: EvaluationLook): string | undefined {
  if (height === width && resize === "crop") return undefined;
  return `${{ crop: "cropped", pad: "padded", squash: "squashed" }[resize]} to ${sizeText(height, width)}`;
}

function normalisationFor({ mean, std }: Pick<InputFormat, "mean" | "std">, channels: number) {
  return { mean: forChannels(mean, channels), std: forChannels(std, channels) };
}

function requireChannels({ normalize }: Recipe, checkpoint: CheckpointConfig | undefined, channels: number): void {
  if (checkpoint && !canAdapt(checkpoint.in_chans, channels)) {
    throw new InputError(
      `the checkpoint to start from (--init, --resume) is for images of ${checkpoint.in_chans} channels, these have ${channels}, and which of its weights are for which nobody can say`,
    );
  }
  for (const [key, values] of Object.entries(normalize ?? {})) {
    if (values.length === channels) continue;
    throw new InputError(`normalize.${key} (--${key}): ${values.length} channels, but the images have ${channels}`);
  }
}
