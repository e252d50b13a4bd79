import { existsSync } from "node:fs";
import { InputError } from "../base/errors.js";
import { modelEntry } from "../models/registry.js";
import type { Module } from "../nn/module.js";
import { loadStateDict } from "../nn/state-dict.js";
import type { CoreRecipe } from "../settings/core.js";
import { nullOr, offOr, text } from "../settings/schema.js";
import { refuseBroken } from "../weights/broken-weights.js";
import { declaredIn } from "../weights/declared.js";
import { contradictions } from "../weights/declared-in-words.js";
import { type FittedWeights, fitWeights } from "../weights/fit-weights.js";
import { fittingModels } from "../weights/identify-model.js";
import { type InitialWeights, readInitialWeights } from "../weights/initial-weights.js";
import { isOn, type Run, touched, trick } from "./trick.js";

/** Not in the paper: a run that starts from trained weights; a classifier for other classes gives way to the model's own. */
export const init = trick({
  name: "init",
  summary: "start from trained weights",
  group: "transfer",
  switches: [
    {
      flags: "--init <weights>",
      help: "start from a checkpoint or a file of weights; another head where the classes differ",
      key: "init.weights",
      reads: "text",
    },
  ],
  shape: { init: offOr({ weights: nullOr(text) }) },
  off: { init: false },
  paper: { init: { weights: null } },
  paths: ["init.weights"],
  start: ({ init }, run) => {
    if (!init) return false;
    let notes: readonly string[] | undefined;
    return {
      startsFrom: () => {
        const path = init.weights;
        if (path === null) {
          throw new InputError("init: the recipe starts from trained weights and names none; give --init WEIGHTS");
        }
        if (!existsSync(path)) throw new InputError(`init (--init): there is nothing at ${path}`);
        return readInitialWeights(path);
      },
      initialised: (model) => {
        const { startsFrom } = run;
        if (!startsFrom) return; // a resumed run has its own weights
        const saved = startsFrom.config?.label_names;
        const fitted = fitWeights(model, modelEntry(run.recipe.model), startsFrom.weights, {
          replaceHead: true,
          classNames: saved && { saved, wanted: run.train.classes },
          completes: true,
          adaptsChannels: true,
        });
        load(model, fitted.weights, startsFrom, run.recipe.model);
        refuseBroken(model, startsFrom.path);
        notes = [...startsFrom.notes, ...fitted.notes, ...unlike(model, startsFrom, run)];
      },
      touched: () =>
        notes && touched([...run.model.state()].length, [`weights from ${init.weights ?? ""}`, ...notes].join("; ")),
    };
  },
});

/** @throws InputError where they do not fit, which names the model that they would fit */
function load(model: Module, weights: FittedWeights["weights"], { path, weights: raw }: InitialWeights, name: string) {
  try {
    loadStateDict(model, weights, path);
  } catch (error) {
    const others = fittingModels(raw).filter((each) => each.model !== name);
    if (!(error instanceof InputError) || others.length === 0) throw error;
    const given = others.map(({ model: other, modelOptions }) =>
      [other, ...Object.entries(modelOptions).map(([key, value]) => `--option ${key}=${value}`)].join(" "),
    );
    throw new InputError(
      `${path}: these weights are not for ${name}: give --model ${given.join(" or --model ")}`,
      error,
    );
  }
}

/** What a file of weights says in words and the run's model is not. */
function unlike(model: Module, { config, metadata }: InitialWeights, { recipe, train }: Run): string[] {
  if (config) return [];
  const { mean, std } = train;
  const built = { architecture: recipe.model, model_options: recipe.modelOptions, mean, std };
  const { keys, modelOptions } = declaredIn(metadata, modelEntry(recipe.model));
  const same = Object.entries(modelOptions).every(([key, value]) => recipe.modelOptions[key] === value);
  return contradictions(metadata, same ? keys : new Set(), built, model).map((each) => `warning: ${each}`);
}

/** @throws InputError where a trick spares trained weights and the recipe starts from none */
export function requireTrainedWeights(key: string, recipe: CoreRecipe): void {
  if (isOn(init, recipe)) return;
  throw new InputError(
    `init: ${key} spares weights that are trained already, and the recipe names none; give --init WEIGHTS`,
  );
}
