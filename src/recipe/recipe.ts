import { z } from "../settings/zod.js";
import { InputError } from "../base/errors.js";
import { type augmentationDefaults, augmentationSchema } from "../data/augment/index.js";
import { OPTIMIZERS } from "../optim/optimizers/index.js";
import type { OptimizerPart } from "../optim/optimizers/optimizer.js";
import { METRIC_NAMES } from "../metrics/index.js";
import { CORE_SHAPE, type CoreRecipe } from "../settings/core.js";
import { choice, nullOr, type Shape, section, show, text, type Values } from "../settings/schema.js";
import { TRICKS } from "../tricks/index.js";
import type { OwnTrick } from "../tricks/own-trick.js";
import type { Trick } from "../tricks/trick.js";

const ownTrick = section({
  name: text,
  module: text,
  settings: z.record(z.string(), z.unknown(), {
    error: (issue) => `must be an object of the trick's settings, not ${show(issue.input)}`,
  }),
});

/** The keys that are neither a trick's nor an optimizer's. */
const ownShape = {
  ...CORE_SHAPE,
  select: nullOr(choice(...METRIC_NAMES)),
  /** Which optimizer; it has keys of its own. */
  optimizer: choice(...OPTIMIZERS.map(({ name }) => name)),
  augmentation: augmentationSchema,
  /** Tricks that the recipe brings along (`defineTrick`). */
  tricks: z.array(ownTrick, { error: (issue) => `must be a list of tricks, not ${show(issue.input)}` }),
};

function shapesOf(parts: readonly { readonly shape: Shape }[]): Shape {
  return Object.assign({}, ...parts.map(({ shape }) => shape));
}

/** Of a whole recipe. */
export const recipeSchema = section({ ...ownShape, ...shapesOf(OPTIMIZERS), ...shapesOf(TRICKS) });

type SettingsOf<Part> =
  Part extends Trick<infer S> ? Values<S> : Part extends OptimizerPart<infer S> ? Values<S> : never;
type All<Union> = (Union extends unknown ? (each: Union) => void : never) extends (all: infer Every) => void
  ? Every
  : never;
type Flat<T> = { [Key in keyof T]: T[Key] };

/** The keys that tricks and optimizers bring. */
export type PartSettings = All<SettingsOf<(typeof TRICKS)[number] | (typeof OPTIMIZERS)[number]>>;

/**
 * Everything that decides how a run goes, apart from the data. Plain JSON. Each trick and optimizer brings its own keys: see its file;
 * the other keys are those of `settings/core.ts`, and
 *
 * - `optimizer`: the name of one in `optim/optimizers`
 * - `augmentation`: how training pictures are changed
 * - `tricks`: tricks that the recipe brings along
 */
export type Recipe = Flat<
  CoreRecipe & {
    optimizer: (typeof OPTIMIZERS)[number]["name"];
    augmentation: typeof augmentationDefaults;
    tricks: readonly OwnTrick[];
  } & PartSettings
>;

/** The named recipes (`presets.ts`), which a recipe may extend. */
export const PRESET_NAMES = ["baseline", "efficient", "bag-of-tricks", "fine-tune"] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

/** What a recipe file holds: any of the keys, and of a trick any of its settings. The rest comes from the preset it extends. */
export type RecipeInput = { extends?: PresetName } & { [Key in keyof Recipe]?: Recipe[Key] | Partial<Recipe[Key]> };

/** @throws InputError if a step needs more images than there are */
export function checkAgainstData(recipe: Recipe, trainImages: number): void {
  if (recipe.batchSize <= trainImages) return;
  throw new InputError(
    `batchSize: ${recipe.batchSize} is more than the ${trainImages} training images; give a --batch-size of at most ${trainImages}`,
  );
}
