import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { anywhere, type DataSelection, openData, openWhole } from "../data/sources/open.js";
import type { AnySource } from "../data/sources/source.js";
import { RunFolder } from "./run-folder.js";

/** What a checkpoint is measured on. */
export interface EvaluationData {
  readonly source: AnySource;
  /** Whether the checkpoint's run was trained on these data, so that the images held out then are its validation images. */
  readonly ofRun: boolean;
}

/**
 * Opens a data set to measure a checkpoint on it: the data of its own run are split as they were in training, photographs of any other
 * place are measured whole unless they have a split of their own.
 *
 * @throws InputError as `openData`
 */
export function evaluationData(checkpoint: string, data: string, selection: DataSelection): EvaluationData {
  const trained = trainingSource(checkpoint);
  const ofRun = trained !== undefined && samePlace(trained, anywhere(data));
  return { source: ofRun ? openData(data, selection) : openWhole(data, selection), ofRun };
}

/** What the run that a checkpoint is of was trained on: the checkpoint's folder is the run's, or below it. */
function trainingSource(checkpoint: string): string | undefined {
  const run = [checkpoint, dirname(dirname(checkpoint))].find((folder) => existsSync(join(folder, "data.json")));
  return run === undefined ? undefined : (RunFolder.find(run).readData().source ?? undefined);
}

function samePlace(a: string, b: string): boolean {
  return a === b || (existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b));
}
