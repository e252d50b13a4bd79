import { deepPictures, requireNoLoss } from "../data/photos/deep-pictures.js";
import type { PhotoSet } from "../data/photos/photo-set.js";
import type { Intensity } from "../data/pictures/deep-picture.js";
import type { AnySource } from "../data/sources/source.js";
import type { LabelledSet } from "../data/split.js";
import type { Recipe } from "../recipe/recipe.js";
import type { CheckpointConfig } from "../weights/config.js";

/**
 * A recipe that says what is black and white in pictures of more than 8 bits, where the data have such: what it said, else what the
 * checkpoint says that the run starts from, else the range of their type.
 *
 * @throws InputError where that would make the set as a whole black, white or cut off
 */
export async function withIntensity(
  recipe: Recipe,
  { train, validation }: AnySource,
  checkpoint: CheckpointConfig | undefined,
  shouldStop: () => boolean = () => false,
): Promise<Recipe> {
  if (recipe.intensity !== null) return recipe;
  const intensity = checkpoint?.intensity ?? (await naturalIntensity([train, validation], { shouldStop }));
  return intensity === undefined ? recipe : { ...recipe, intensity };
}

/**
 * What is black and white in the pictures of more than 8 bits of some sets, where nobody says; undefined where they have none.
 *
 * @throws InputError as `withIntensity`
 */
export async function naturalIntensity(
  sets: readonly LabelledSet[],
  { shouldStop = () => false }: { readonly shouldStop?: () => boolean } = {},
): Promise<Intensity | undefined> {
  const photos = sets.filter((set): set is PhotoSet => "kind" in set && set.kind === "photos");
  const deep = await deepPictures(photos, { early: true, shouldStop });
  if (deep === undefined) return undefined;
  requireNoLoss(photos[0]?.name ?? "", deep, "train with");
  return deep.natural;
}
