import { didYouMean } from "../base/did-you-mean.js";
import { InputError } from "../base/errors.js";
import { Module } from "../nn/module.js";
import type { ModelEntry, ModelOptions, Task } from "./entry.js";
import { CIFAR_RESNETS } from "./families/cifar-resnet.js";
import { INCEPTIONS } from "./families/inception-v3.js";
import { MOBILENETS } from "./families/mobilenet.js";
import { RESNETS } from "./families/resnet.js";

// biome-ignore format: one family, one line
const FAMILIES: readonly (readonly ModelEntry[])[] = [
  RESNETS,
  INCEPTIONS,
  MOBILENETS,
  CIFAR_RESNETS,
];

/** Every model by name. */
export const MODELS: ReadonlyMap<string, ModelEntry> = new Map(FAMILIES.flat().map((entry) => [entry.name, entry]));

/** Images up to this many pixels high or wide take the small-image form of a model. */
const SMALL_IMAGE = 64;

/** The model that `name` means for images of this size: its small-image form where the images are small and it has one. */
export function formForImages(name: string, height: number, width: number): string {
  const small = MODELS.get(name)?.small;
  return small !== undefined && Math.max(height, width) <= SMALL_IMAGE ? small : name;
}

/**
 * Checks that a model can be trained on images of this size.
 *
 * @throws InputError where they are too small for it.
 */
export function checkTrainingSize(name: string, options: ModelOptions, height: number, width: number): void {
  const { smallestInput, smallestTrainingInput } = modelEntry(name);
  const smallest = smallestTrainingInput?.(options) ?? smallestInput;
  if (Math.min(height, width) >= smallest) return;
  const given = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  const model = given.length > 0 ? `${name} (${given.join(", ")})` : name;
  throw new InputError(
    `model: ${model} needs images of at least ${smallest} pixels to train; these are ${height}x${width}: take another model or larger images`,
  );
}

/** @throws InputError where no model has this name. */
export function modelEntry(name: string): ModelEntry {
  const entry = MODELS.get(name);
  if (entry) return entry;
  const hint = didYouMean(name, [...MODELS.keys()]) || "; `knack models` lists them";
  throw new InputError(`model: there is no model "${name}"${hint}`);
}

/**
 * A new model, its weights as its layers made them (see `xavierUniform`).
 *
 * @throws InputError where the name is not registered or an option is unknown or impossible.
 */
export function createModel(name: string, task: Task, options: ModelOptions = {}): Module {
  const entry = modelEntry(name);
  if (!(Number.isInteger(task.classes) && task.classes >= 2)) {
    throw new InputError(`model: a classifier needs at least 2 classes, got ${task.classes}`);
  }
  const model = entry.build(task, options);
  requireOneNameEach(model);
  requireNoLists(model);
  return model;
}

/** A layer that is two properties would be two in the state dict, and be updated twice a step. */
function requireOneNameEach(model: Module): void {
  const names = new Map<unknown, string>();
  for (const [name, tensor] of model.state()) {
    const other = names.get(tensor);
    if (other !== undefined)
      throw new Error(`${other} and ${name} are one tensor: make one of the two properties a getter`);
    names.set(tensor, name);
  }
}

/** Layers in an array have no name: training and state dicts would pass them over. */
function requireNoLists(model: Module): void {
  for (const [path, module] of model.modules()) {
    const known = new Set(Array.from(module.children(), ([, child]) => child));
    for (const [name, value] of Object.entries(module)) {
      const hidden = Array.isArray(value) && value.some((element) => element instanceof Module && !known.has(element));
      if (hidden)
        throw new Error(`${path === "" ? name : `${path}.${name}`} is a list of layers: make it a Sequential`);
    }
  }
}
