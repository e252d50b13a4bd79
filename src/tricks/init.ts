import { existsSync } from "node:fs";
import { InputError } from "../base/errors.js";
import { modelEntry } from "../models/registry.js";
import { loadStateDict } from "../nn/state-dict.js";
import type { CoreRecipe } from "../settings/core.js";
import { nullOr, offOr, text } from "../settings/schema.js";
import { refuseBroken } from "../weights/broken-weights.js";
import { fitWeights } from "../weights/fit-weights.js";
import { readInitialWeights } from "../weights/initial-weights.js";
import { isOn, touched, trick } from "./trick.js";

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
        });
        loadStateDict(model, fitted.weights, startsFrom.path);
        refuseBroken(model, startsFrom.path);
        notes = fitted.notes;
      },
      touched: () =>
        notes && touched([...run.model.state()].length, [`weights from ${init.weights ?? ""}`, ...notes].join("; ")),
    };
  },
});

/** @throws InputError where a trick spares trained weights and the recipe starts from none */
export function requireTrainedWeights(key: string, recipe: CoreRecipe): void {
  if (isOn(init, recipe)) return;
  throw new InputError(
    `init: ${key} spares weights that are trained already, and the recipe names none; give --init WEIGHTS`,
  );
}
