import { section, type Values } from "../../settings/schema.js";
import type { Switch } from "../../settings/switches.js";
import type { Augmenter, Settings } from "./augmenter.js";
import { colourJitter } from "./colour-jitter.js";
import { flip } from "./flip.js";
import { lighting } from "./lighting.js";
import { paddedCrop } from "./padded-crop.js";
import { resizedCrop } from "./random-resized-crop.js";

/** All augmentations, in the order in which they draw. */
export const AUGMENTERS = [resizedCrop, paddedCrop, flip, colourJitter, lighting] as const;

/** The settings' shapes of several augmenters in one. */
type Merged<List extends readonly Augmenter[]> = List extends readonly [
  infer First extends Augmenter,
  ...infer Rest extends readonly Augmenter[],
]
  ? First["settings"] & Merged<Rest>
  : unknown;
type AugmentationShape = Merged<typeof AUGMENTERS>;

/** What a recipe's `augmentation` says: how training images are changed at random before they are seen. */
export type Augmentation = Settings<AugmentationShape>;

/** The settings, the defaults and the switches of several augmenters together. */
export function together(augmenters: readonly Augmenter[]) {
  // A recipe names first what is for small images, the command line what is for photographs alone.
  const forSmall = augmenters.filter(({ smallImage }) => smallImage);
  const forPhotographs = augmenters.filter(({ smallImage }) => !smallImage);
  const inRecipe = [...forSmall, ...forPhotographs];
  return {
    shape: Object.assign({}, ...inRecipe.map(({ settings }) => settings)) as Augmenter["settings"],
    defaults: Object.assign({}, ...inRecipe.map(({ defaults }) => defaults)) as Augmenter["defaults"],
    switches: [...forPhotographs, ...forSmall].flatMap(({ switches }): readonly Switch[] => switches),
  };
}

const { shape, defaults, switches } = together(AUGMENTERS);

/** The recipe's `augmentation`. */
export const augmentationSchema = section(shape as AugmentationShape);

/** The paper's for photographs, and what is usual for small images. */
export const augmentationDefaults = defaults as Values<AugmentationShape>;

export const AUGMENTATION_SWITCHES = switches;
