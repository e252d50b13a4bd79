import { InputError } from "../base/errors.js";
import { Conv2d } from "../nn/layers/conv2d.js";
import { Linear } from "../nn/layers/linear.js";
import type { Module } from "../nn/module.js";
import { rawTensor } from "../nn/state-dict.js";
import type { RawTensor } from "../tensor/raw-tensor.js";

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

/** What the classifier is called in one program or another. */
const HEADS = ["fc", "linear", "classifier", "head", "head.fc", "last_linear"];
const AUXILIARY = "AuxLogits.";

/**
 * Makes weights of another program fit a model where that is a matter of convention: the classifier gets the model's name for it,
 * and an auxiliary classifier that the model was built without goes.
 *
 * @param replaceHead whether classifiers for another number of classes give way to the model's own, which the caller has
 *   initialised
 */
export function fitWeights(model: Module, raw: Weights, { replaceHead }: { replaceHead: boolean }): FittedWeights {
  const weights = new Map(raw);
  const notes: string[] = [];
  const rename = (from: string, to: string) => {
    for (const [name, tensor] of [...weights]) {
      if (!name.startsWith(from)) continue;
      weights.delete(name);
      weights.set(to + name.slice(from.length), tensor);
    }
  };

  const heads = [...model.modules()].filter((entry): entry is [string, Linear] => entry[1] instanceof Linear);
  const head = heads.at(-1);
  if (head && !weights.has(`${head[0]}.weight`)) {
    const [path, linear] = head;
    const others = HEADS.filter((other) => isHead(weights.get(`${other}.weight`), linear));
    if (others.length === 1) {
      rename(`${others[0]}.`, `${path}.`);
      notes.push(`${others[0]} is called ${path} here`);
    }
  }
  const hasAuxiliary = [...model.state()].some(([name]) => name.startsWith(AUXILIARY));
  const auxiliary = [...weights.keys()].filter((name) => name.startsWith(AUXILIARY));
  if (!hasAuxiliary && auxiliary.length > 0) {
    for (const name of auxiliary) weights.delete(name);
    notes.push("the auxiliary head (AuxLogits) is left out: the model was built without one (aux_logits)");
  }
  if (replaceHead) {
    for (const [path, linear] of heads) {
      const before = weights.get(`${path}.weight`);
      const [classes] = linear.weight.shape;
      if (!isHead(before, linear) || before?.shape[0] === classes) continue;
      for (const [name, tensor] of linear.state()) weights.set(`${path}.${name}`, rawTensor(tensor));
      notes.push(`${path} re-initialised: the file has ${before?.shape[0]} classes, the model ${classes}`);
    }
  }
  return { weights, notes };
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
 */
export function taskOfWeights(model: Module, raw: Weights): WeightsTask {
  const { weights } = fitWeights(model, raw, { replaceHead: false });
  const layers = [...model.modules()];
  const [head] = layers.findLast(([, layer]) => layer instanceof Linear) ?? [];
  const [stem] = layers.find(([, layer]) => layer instanceof Conv2d) ?? [];
  return {
    classes: weights.get(`${head}.weight`)?.shape[0],
    inChannels: weights.get(`${stem}.weight`)?.shape[1],
  };
}

/** Whether these are a classifier's weights for the same features, whatever its classes. */
function isHead(weight: RawTensor | undefined, { weight: own }: Linear): boolean {
  return weight?.shape.length === 2 && weight.shape[1] === own.shape[1];
}
