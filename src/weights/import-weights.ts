import { InputError } from "../base/errors.js";
import type { ModelOptions } from "../models/entry.js";
import { createModel, modelEntry } from "../models/registry.js";
import { xavierUniform } from "../nn/initialise.js";
import { loadStateDict, stateDict } from "../nn/state-dict.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { faultsOf } from "./broken-weights.js";
import { createCheckpoint, requireFree } from "./checkpoint.js";
import { forChannels } from "../settings/channels.js";
import { type CheckpointConfig, parseConfig } from "./config.js";
import { CONFIG, configBeside } from "./config-beside.js";
import { declaredIn, declaredModel } from "./declared.js";
import { contradictions } from "./declared-in-words.js";
import { checkSizes, fitWeights, taskOfWeights } from "./fit-weights.js";
import { modelOfWeights } from "./identify-model.js";
import { readWeights } from "./read-weights.js";

export interface ImportOptions {
  /** The model's name in the registry; otherwise what the file, or config.json beside it, says, or the one model that its names fit. */
  readonly model?: string | undefined;
  /** Which state dict of the file, where it holds several. */
  readonly key?: string | undefined;
  readonly modelOptions?: ModelOptions;
  /** Classes of the checkpoint; otherwise as many as the file's classifier has. Another number re-initialises the classifier. */
  readonly numClasses?: number;
  /** Names of the classes, index = label; otherwise "0", "1", ... */
  readonly classNames?: readonly string[];
  /** Per channel, on the 0..1 scale; otherwise what the file says, and else what is customary for the model. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** Share of the resized picture that the centre crop keeps; otherwise 0.875, and 1 for models of small images. */
  readonly cropPct?: number;
  /** How pictures are resized; otherwise bilinear, as torchvision's weights want it. */
  readonly interpolation?: string;
  /** Height and width in pixels; otherwise the model's own. */
  readonly inputSize?: number;
  readonly license?: string;
}

export interface Imported {
  readonly config: CheckpointConfig;
  /** Tensors in the file. */
  readonly tensors: number;
  /** What the file says of itself. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What was changed or looks wrong, a line each. */
  readonly notes: readonly string[];
  /** What the file says and the model built contradicts, a line each. */
  readonly warnings: readonly string[];
}

/** Models for inputs up to this see their pictures whole: they were trained on images of that size. */
const SMALL_INPUT = 64;

/**
 * Turns a file of weights into a checkpoint's folder.
 *
 * @param file safetensors, or a PyTorch state dict (.pth, .pt, .th, .bin), under torchvision's or timm's names
 * @param directory a new or empty folder
 * @throws InputError where the file cannot be read or does not fit the model, an option is wrong, or the folder is in use.
 */
export function importWeights(file: string, directory: string, options: ImportOptions = {}): Imported {
  requireFree(directory);
  if (options.model !== undefined) modelEntry(options.model);
  const { tensors, metadata, notes } = readWeights(file, options.key);
  const beside = configBeside(file);
  const said = beside?.architecture ?? declaredModel(metadata);
  const chosen =
    options.model === undefined
      ? beside
        ? { model: beside.architecture, modelOptions: {} }
        : modelOfWeights(tensors, file, said)
      : { model: options.model, modelOptions: {} };
  const entry = modelEntry(chosen.model);
  const declared = declaredIn(metadata, entry);
  const applied = beside && beside.architecture === chosen.model ? beside : undefined;
  const config = configFor(file, tensors, {
    ...options,
    model: chosen.model,
    modelOptions: {
      ...chosen.modelOptions,
      ...applied?.model_options,
      ...declared.modelOptions,
      ...options.modelOptions,
    },
    stated: { ...applied, ...declared.pictures },
  });
  const written = writeFitted(tensors, file, config, directory, { replaceHead: true });
  using model = createModel(config.architecture, { classes: 2, inChannels: config.in_chans }, config.model_options);
  return {
    config,
    tensors: tensors.size,
    metadata,
    notes: [
      ...notes,
      ...(options.model === undefined ? [`it is for ${chosen.model}${optionsText(chosen.modelOptions)}`] : []),
      ...(applied ? [`took what ${CONFIG} beside it says`] : []),
      ...(beside && !applied ? [`${CONFIG} beside it is for ${beside.architecture}: nothing of it was taken`] : []),
      ...(declared.keys.size > 0 ? [`took what it says of ${[...declared.keys].join(", ")}`] : []),
      ...written,
    ],
    warnings: contradictions(metadata, declared.keys, config, model),
  };
}

/** " (width=4)"; nothing where there are none. */
function optionsText(options: ModelOptions): string {
  const texts = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  return texts.length > 0 ? ` (${texts.join(", ")})` : "";
}

/**
 * Writes weights that may need fitting, under the model's own names and as float32, as a checkpoint.
 *
 * @param where the weights' file, for messages
 * @param replaceHead whether a classifier for another number of classes may give way to a new one
 * @returns what was changed or looks wrong, a line each
 */
export function writeFitted(
  raw: ReadonlyMap<string, RawTensor>,
  where: string,
  config: CheckpointConfig,
  directory: string,
  { replaceHead }: { replaceHead: boolean },
): string[] {
  const task = { classes: config.num_classes, inChannels: config.in_chans };
  if (!replaceHead) checkSizes(raw, { num_classes: config.num_classes }, where);
  using model = createModel(config.architecture, task, config.model_options);
  xavierUniform(model, 0);
  const { weights, notes } = fitWeights(model, modelEntry(config.architecture), raw, { replaceHead });
  loadStateDict(model, weights, where);
  createCheckpoint(directory, { weights: stateDict(model), config });
  return [...notes, ...faultsOf(model).map((fault) => `${fault}: these weights are broken, and no command takes them`)];
}

/** What a checkpoint's config is made from: what was asked for, else what the file states. */
interface ToConfigure extends ImportOptions {
  readonly model: string;
  readonly stated: Partial<CheckpointConfig>;
}

function configFor(
  file: string,
  tensors: ReadonlyMap<string, RawTensor>,
  { model, modelOptions = {}, classNames: given, stated, ...options }: ToConfigure,
): CheckpointConfig {
  const entry = modelEntry(model);
  const { inputSize, photos } = entry;
  checkSizes(tensors, { width: modelOptions.width }, file);
  using probe = createModel(model, { classes: 2, inChannels: 3 }, modelOptions);
  const found = taskOfWeights(probe, entry, tensors);
  const channels = found.inChannels ?? options.mean?.length ?? 3;
  const classes = options.numClasses ?? found.classes;
  if (classes === undefined) {
    throw new InputError(
      `${file} holds no classifier that fits ${model}: check --model, or give --num-classes for a new one`,
    );
  }
  const named = stated.label_names?.length === classes ? stated.label_names : undefined;
  const classNames = given ?? named;
  if (classNames !== undefined && classNames.length !== classes) {
    throw new InputError(`--classes: ${classNames.length} names for ${classes} classes`);
  }
  const perChannel = (values: readonly number[]) => forChannels(values, channels);
  const size = options.inputSize ?? stated.input_size?.[1] ?? inputSize;
  const license = options.license ?? stated.license;
  const config = {
    architecture: model,
    num_classes: classes,
    in_chans: channels,
    input_size: [channels, size, size],
    mean: options.mean ?? perChannel(stated.mean ?? photos.mean),
    std: options.std ?? perChannel(stated.std ?? photos.std),
    interpolation: options.interpolation ?? stated.interpolation ?? "bilinear",
    crop_pct: options.cropPct ?? stated.crop_pct ?? (inputSize <= SMALL_INPUT ? 1 : 0.875),
    ...(license === undefined ? {} : { license }),
    ...(classNames === undefined ? {} : { label_names: classNames }),
    model_args: modelOptions,
  };
  return parseConfig(config, "the checkpoint to write");
}
