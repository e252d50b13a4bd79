import { join } from "node:path";
import { type CrossValidateOptions, crossValidate, type GoOnOptions } from "../../folds/cross-validate.js";
import type { FoldsEvent } from "../../folds/events.js";
import { isFoldsFolder } from "../../folds/folds-folder.js";
import type { Recipe } from "../../recipe/recipe.js";
import { plainName } from "../../run/run-folder.js";
import type { ResumeOptions, TrainOptions } from "../../run/train.js";
import { FoldsProgress } from "../output/folds-progress.js";
import { untilSignal } from "../stops/until-signal.js";

/** What is asked for where all folds are to be trained; undefined where one run is. */
export function asFolds(asked: TrainOptions | ResumeOptions): CrossValidateOptions | GoOnOptions | undefined {
  if ("resume" in asked) return isFoldsFolder(asked.resume) ? asked : undefined;
  if (asked.split?.folds === undefined || asked.split.fold !== undefined) return undefined;
  const { data, recipe } = asked;
  const usual = join("runs", `folds-${plainName(String(data))}-${plainName((recipe as Recipe).name)}`);
  return { ...asked, out: asked.out ?? usual };
}

/** `knack train DATA --folds K` */
export async function trainFolds(options: CrossValidateOptions | GoOnOptions, json: boolean): Promise<void> {
  const progress = new FoldsProgress(process.stdout);
  const show = (event: FoldsEvent) => (json ? console.log(JSON.stringify(event)) : progress.show(event));
  try {
    await untilSignal(progress, async (signal, exitCode) => {
      for await (const event of crossValidate({ ...options, signal })) {
        show(event);
        if (event.type === "interrupted") process.exitCode = exitCode();
      }
    });
  } finally {
    progress.close();
  }
}
