/** knack as a library: `import { train } from "knack"`. */
export type { Grid } from "./ablation/tables/grid-file.js";
export type { ImageAugmentation as Augmentation } from "./data/augment/image-transform.js";
export type { DataSource, ImageSet } from "./data/image-set.js";
export { openData } from "./data/sources/open.js";
export { InputError, KnackError } from "./base/errors.js";
export { Explainer, type Explanation } from "./inference/explainer.js";
export {
  type Classified,
  type Classifier,
  type ClassifyOptions,
  loadClassifier,
  type Prediction,
} from "./inference/classifier.js";
export { type Calibrated, type CalibrateOptions, calibrateCheckpoint } from "./run/calibrate-checkpoint.js";
export { type CrossValidateOptions, crossValidate, type GoOnOptions } from "./folds/cross-validate.js";
export type { FoldsEvent } from "./folds/events.js";
export type { FoldsSummary } from "./folds/summary.js";
export type { Suspect } from "./suspects/find-suspects.js";
export { type WrittenSuspects, writeSuspects } from "./suspects/write-suspects.js";
export { trainWithReport as train } from "./train.js";
export type {
  AuditEvent,
  CheckpointEvent,
  DoneEvent,
  EpochEvent,
  InterruptedEvent,
  WarningEvent,
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
// What tricks of one's own, and trainings of one's own, are made of.
export { Loader } from "./data/loading/loader.js";
export type { Split } from "./data/split.js";
export { METRICS } from "./metrics/index.js";
export { createModel } from "./models/registry.js";
export { xavierUniform } from "./nn/initialise.js";
export { BatchNorm2d } from "./nn/layers/batch-norm2d.js";
export { Conv2d } from "./nn/layers/conv2d.js";
export { Dropout } from "./nn/layers/dropout.js";
export { Linear } from "./nn/layers/linear.js";
export { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from "./nn/layers/pooling.js";
export { ReLU } from "./nn/layers/relu.js";
export { Sequential } from "./nn/layers/sequential.js";
export { chain, Module, Parameter } from "./nn/module.js";
export { BIAS, NORM, WEIGHT } from "./nn/parameter-role.js";
export { OPTIMIZERS } from "./optim/optimizers/index.js";
export * as settings from "./settings/schema.js";
export { backward, noGradient } from "./tensor/autograd.js";
export * as ops from "./tensor/ops.js";
export { randomFor, seedFor } from "./tensor/random.js";
export { scope } from "./tensor/scope.js";
export { Tensor } from "./tensor/tensor.js";
export { evaluate } from "./training/evaluate.js";
export { prepareImages } from "./training/prepare-images.js";
export { TRICKS } from "./tricks/index.js";
export { type DefinedTrick, defineTrick, type OwnTrick, type OwnTrickDefinition } from "./tricks/own-trick.js";
export { RunningTricks } from "./tricks/running-tricks.js";
export type {
  BatchPlace,
  ChangedBatch,
  Moments,
  Run,
  SeenBatch,
  Touched,
  TrainingBatch,
  Trick,
} from "./tricks/trick.js";
