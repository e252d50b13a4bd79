/** knack as a library: `import { train } from "knack"`. */
export type { Grid } from "./ablation/grid-file.js";
export type { Augmentation } from "./data/augment.js";
export type { DataSource, ImageSet } from "./data/image-set.js";
export { openData } from "./data/open.js";
export { InputError, KnackError } from "./errors.js";
export {
  type Classified,
  type Classifier,
  type ClassifyOptions,
  loadClassifier,
  type Prediction,
} from "./inference/classifier.js";
export { trainWithReport as train } from "./report/reported-training.js";
export type {
  AuditEvent,
  CheckpointEvent,
  DoneEvent,
  EpochEvent,
  InterruptedEvent,
  StepEvent,
  TrainEvent,
  TrickAudit,
} from "./training/events.js";
export { loadRecipe } from "./training/load-recipe.js";
export { presets } from "./training/presets.js";
export { parseRecipe, type Recipe, type RecipeInput } from "./training/recipe.js";
export { learningRateSchedule } from "./training/schedule.js";
export type { ResumeOptions, TrainOptions } from "./training/train.js";
