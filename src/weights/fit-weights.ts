import { InputError } from "../base/errors.js";
import type { ModelEntry } from "../models/entry.js";
import type { Module, Parameter } from "../nn/module.js";
import { rawTensor } from "../nn/state-dict.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { printable } from "../base/printable.js";
import { adaptChannels, stemOf } from "./adapt-channels.js";
import { hasNames } from "./class-names.js";
import { unwrappedNames } from "./unwrapped-names.js";

type Weights = ReadonlyMap<string, RawTensor>;

export interface FittedWeights {
  /** For `loadStateDict`, which reports what still does not fit. */
  readonly weights: Weights;
  /** What was changed, a line each. */
  readonly notes: readonly string[];
}

/** What a file of weights was made for, as far as its shapes tell. */
export interface WeightsTask {
  readonly classes: number | undefined;
  readonly inChannels: number | undefined;
}

/** The names of classes, index = label: those that weights were trained for, and those of the model. */
export interface ClassNames {
  readonly saved: readonly string[];
  readonly wanted: readonly string[];
}

export interface FitOptions {
  readonly replaceHead: boolean;
  readonly classNames?: ClassNames | undefined;
  readonly completes?: boolean;
  readonly adaptsChannels?: boolean;
}

type ClassifierFacts = Pick<ModelEntry, "classifiers" | "auxiliary">;

/** What the classifier is called in one program or another. */
export const HEADS: readonly string[] = ["fc", "linear", "classifier", "head", "head.fc", "last_linear"];

/**
 * Makes weights of another program fit a model where that is a matter of convention: prefixes are taken off every name, the classifier
 * gets the model's name for it, and an auxiliary classifier that the model was built without goes.
 *
 * @param entry the model's, of which the facts about its classifiers are used
 * @param replaceHead whether classifiers for other classes give way to the model's own, which the caller has initialised
 * @param classNames where they are known: rows of a classifier follow their classes into another order
 * @param adaptsChannels whether a first convolution for other channels becomes one for the model's
 * @param completes whether a classifier and statistics of normalisation that the file lacks are the model's own, new ones
 */
export function fitWeights(
  model: Module,
  { classifiers, auxiliary }: ClassifierFacts,
  raw: Weights,
  { replaceHead, classNames, completes = false, adaptsChannels = false }: FitOptions,
): FittedWeights {
  const notes: string[] = [];
  const parameters = new Map(model.parameters());
  const names = {
    own: Array.from(model.state(), ([name]) => name),
    needed: [...parameters.keys()].filter((name) => !classifiers.some((path) => name.startsWith(`${path}.`))),
    heads: [...classifiers, ...HEADS],
  };
  const weights = unwrappedNames(raw, names, notes);
  const rename = (from: string, to: string) => {
    for (const [name, tensor] of [...weights]) {
      if (!name.startsWith(from)) continue;
      weights.delete(name);
      weights.set(to + name.slice(from.length), tensor);
    }
  };

  const [path] = classifiers;
  const head = parameters.get(`${path}.weight`);
  if (head && !weights.has(`${path}.weight`)) {
    const others = HEADS.filter((other) => isHead(weights.get(`${other}.weight`), head));
    if (others.length === 1) {
      rename(`${others[0]}.`, `${path}.`);
      notes.push(`${others[0]} is called ${path} here`);
    }
  }
  if (auxiliary && ![...parameters.keys()].some((name) => name.startsWith(`${auxiliary.path}.`))) {
    const unused = [...weights.keys()].filter((name) => name.startsWith(`${auxiliary.path}.`));
    for (const name of unused) weights.delete(name);
    if (unused.length > 0) {
      const { path, option } = auxiliary;
      notes.push(`the auxiliary head (${path}) is left out: the model was built without one (${option})`);
    }
  }
  const adapted = adaptsChannels ? adaptChannels(model, weights) : undefined;
  if (adapted !== undefined) notes.push(adapted);
  if (completes) complete(model, classifiers, weights, notes);
  if (replaceHead) {
    for (const [path, layer] of model.modules()) {
      const own = parameters.get(`${path}.weight`);
      if (!own || !classifiers.includes(path)) continue;
      const before = weights.get(`${path}.weight`);
      const [classes] = own.shape;
      if (!isHead(before, own)) continue;
      const rows =
        before?.shape[0] === classes
          ? rowsFor(classNames)
          : `the file has ${before?.shape[0]} classes, the model ${classes}`;
      if (rows === undefined) continue;
      for (const [name, tensor] of layer.state()) {
        const saved = weights.get(`${path}.${name}`);
        if (typeof rows === "string" || !saved) weights.set(`${path}.${name}`, rawTensor(tensor));
        else weights.set(`${path}.${name}`, inRows(saved, rows));
      }
      notes.push(
        typeof rows === "string"
          ? `${path} re-initialised: ${rows}`
          : `the rows of ${path} reordered: the file has the same classes in another order`,
      );
    }
  }
  return { weights, notes };
}

/** Gives weights what they lack of what a new training makes anyway. */
function complete(
  model: Module,
  classifiers: readonly string[],
  weights: Map<string, RawTensor>,
  notes: string[],
): void {
  const lacked = [...model.state()].filter(([name]) => !weights.has(name) && !name.endsWith("num_batches_tracked"));
  const ofHead = (path: string) => lacked.filter(([name]) => name.startsWith(`${path}.`));
  const heads = classifiers.filter((path) => ofHead(path).length > 0 && !weights.has(`${path}.weight`));
  const isStatistic = (name: string) => /\.running_(mean|var)$/.test(name);
  const fresh = [...heads.flatMap(ofHead), ...lacked.filter(([name]) => isStatistic(name))];
  for (const [name, tensor] of fresh) weights.set(name, rawTensor(tensor));
  for (const path of heads) notes.push(`${path} is new: the file has no classifier`);
  const statistics = lacked.filter(([name]) => isStatistic(name)).length;
  if (statistics > 0) notes.push(`${statistics} running statistics are new: the file has none of them`);
}

/** From which row of a classifier each class takes its own; undefined where all stay, and why there are none where its classes are others. */
function rowsFor(names: ClassNames | undefined): number[] | string | undefined {
  if (!names || !hasNames(names.saved) || !hasNames(names.wanted)) return undefined;
  const { saved, wanted } = names;
  if (wanted.every((name, label) => name === saved[label])) return undefined;
  const other = wanted.find((name) => !saved.includes(name));
  if (other !== undefined) return `the file has other classes, ${printable(other)} is none of them`;
  const twice = wanted.find((name, label) => wanted.indexOf(name) !== label);
  if (twice !== undefined)
    return `the file has its classes in another order, and ${printable(twice)} is the name of several`;
  return wanted.map((name) => saved.indexOf(name));
}

/** A tensor whose rows are these ones of another. */
function inRows({ dtype, shape, data }: RawTensor, rows: readonly number[]): RawTensor {
  const size = data.byteLength / (shape[0] ?? 1);
  const ordered = new Uint8Array(data.byteLength);
  for (const [to, from] of rows.entries()) ordered.set(data.subarray(from * size, (from + 1) * size), to * size);
  return { dtype, shape, data: ordered };
}

/**
 * Refuses sizes that no tensor of a file has, before a model is built of them: a damaged number could make one that does not
 * fit into memory.
 *
 * @param where the weights' file, for the message
 * @throws InputError naming the size and its key.
 */
export function checkSizes(raw: Weights, sizes: Readonly<Record<string, unknown>>, where: string): void {
  const found = new Set([...raw.values()].map(({ shape }) => shape[0]));
  for (const [key, size] of Object.entries(sizes)) {
    if (typeof size === "number" && !found.has(size)) {
      throw new InputError(`${where}: the weights do not fit the model: none of them is for ${key} ${size}`);
    }
  }
}

/**
 * What weights were made for.
 *
 * @param model the model they belong to, for any number of classes and channels
 * @param entry the model's, of which the facts about its classifiers are used
 */
export function taskOfWeights(model: Module, entry: ClassifierFacts, raw: Weights): WeightsTask {
  const { weights } = fitWeights(model, entry, raw, { replaceHead: false });
  const stem = stemOf(model) ?? "";
  return {
    classes: weights.get(`${entry.classifiers[0]}.weight`)?.shape[0],
    inChannels: weights.get(stem)?.shape[1],
  };
}

/** Whether these are a classifier's weights for the same features, whatever its classes. */
function isHead(weight: RawTensor | undefined, own: Parameter): boolean {
  return weight?.shape.length === own.shape.length && weight.shape.slice(1).join() === own.shape.slice(1).join();
}
