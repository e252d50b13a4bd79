import type { PhotoSource } from "../data/photos/photo-set.js";
import type { Intensity } from "../data/pictures/deep-picture.js";
import type { ImageSize } from "../settings/image-size.js";
import type { Recipe } from "../recipe/recipe.js";
import { chooseRecipe } from "./choose.js";
import { lookAtPhotos } from "./look-at-photos.js";
import { type PaceOptions, paceOf } from "./pace.js";
import { weightsAtHand, weightsFrom } from "./weights-at-hand.js";

export interface AutoTask {
  readonly source: PhotoSource;
  /** Where the photographs are: weights may lie beside them. */
  readonly data: string;
  /** What is black and white in pictures of more than 8 bits. */
  readonly intensity: Intensity | undefined;
  /** The weights that were asked for. */
  readonly init: string | undefined;
  /** Seconds that there are for training. */
  readonly budget: number;
  /** What was asked for. */
  readonly imageSize: ImageSize | undefined;
  readonly epochs: number | undefined;
  readonly pace: PaceOptions;
}

/** A recipe for somebody's photographs, and what was found and chosen: a line each. */
export interface AutoRecipe {
  readonly recipe: Recipe;
  readonly lines: readonly string[];
  /** Seconds that its training is expected to take. */
  readonly expected: number;
}

/**
 * Looks at photographs, times some steps, takes the weights at hand, and chooses a recipe for the time there is.
 *
 * @throws InputError where the weights asked for, or the engine, cannot be had
 */
export async function autoRecipe({
  source,
  data,
  intensity,
  init,
  budget,
  imageSize,
  epochs,
  pace,
}: AutoTask): Promise<AutoRecipe> {
  const photographs = await lookAtPhotos(source, intensity);
  const weights = init === undefined ? weightsAtHand(data, photographs.classes) : weightsFrom(init);
  const { recipe, reasons, expected } = chooseRecipe({
    photographs,
    weights,
    imageSize,
    epochs,
    budget,
    paceOf: (candidate) => paceOf(candidate, pace),
  });
  return { recipe, expected, lines: [...photographs.lines.map((line) => `data: ${line}`), ...reasons] };
}
