/** knack as a library: `import { train } from "knack"`. */
export type { Grid } from "./ablation/tables/grid-file.js";
export type { ImageAugmentation as Augmentation } from "./data/augment/image-transform.js";
export type { DataSource, ImageSet } from "./data/image-set.js";
export { openData } from "./data/sources/open.js";
export { InputError, KnackError } from "./base/errors.js";
export {
  type Classified,
  type Classifier,
  type ClassifyOptions,
  loadClassifier,
  type Prediction,
} from "./inference/classifier.js";
export { trainWithReport as train } from "./train.js";
export type {
  AuditEvent,
  CheckpointEvent,
  DoneEvent,
  EpochEvent,
  InterruptedEvent,
  StepEvent,
  TrainEvent,
} from "./run/events.js";
export { loadRecipe } from "./recipe/load-recipe.js";
export { presets } from "./recipe/presets.js";
export { parseRecipe } from "./recipe/parse.js";
export type { Recipe, RecipeInput } from "./recipe/recipe.js";
export { learningRateSchedule } from "./recipe/learning-rate-schedule.js";
export type { TrickAudit } from "./tricks/running-tricks.js";
export type { ResumeOptions, TrainOptions } from "./run/train.js";
// What tricks of one's own are made of.
export * as settings from "./settings/schema.js";
export * as ops from "./tensor/ops.js";
export { type DefinedTrick, defineTrick, type OwnTrick, type OwnTrickDefinition } from "./tricks/own-trick.js";
export type { BatchPlace, Moments, Run, Touched, TrainingBatch } from "./tricks/trick.js";
