import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { anywhere, type DataSelection, isList, openData, openWhole } from "../data/sources/open.js";
import { type AnySource, listOptions } from "../data/sources/source.js";
import { InputError } from "../base/errors.js";
import { loadCheckpoint, requireCheckpoint } from "../weights/checkpoint.js";
import { type RunData, RunFolder } from "./run-folder.js";

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
 * @param data default: that of the checkpoint's run, with all that was selected of it
 * @param selection what is said now; of the run's own list it need not be said how it is read, and of no list whether pictures have several labels
 * @throws InputError as `openData`, or where the data are not said and not known, or there is no checkpoint
 */
export function evaluationData(checkpoint: string, data: string | undefined, selection: DataSelection): EvaluationData {
  const trained = dataOfRun(checkpoint);
  if (data === undefined) {
    if (trained?.source == null) {
      requireCheckpoint(checkpoint);
      throw new InputError(`${checkpoint} does not say what it was trained on: knack eval CHECKPOINT DATA`);
    }
    const { source, cache, ...ofRun } = trained;
    return { source: openData(source, { ...ofRun, ...given(selection) }), ofRun: true };
  }
  const ofRun = trained?.source != null && samePlace(trained.source, anywhere(data));
  if (!ofRun) {
    const multiLabel =
      selection.multiLabel ?? (isList(data) && loadCheckpoint(checkpoint).config.task === "multi-label");
    return { source: openWhole(data, { ...selection, multiLabel }), ofRun };
  }
  const { split, held, ...ofList } = trained;
  return { source: openData(data, { split, held, ...listOptions(ofList), ...given(selection) }), ofRun };
}

function given(selection: DataSelection): DataSelection {
  return Object.fromEntries(Object.entries(selection).filter(([, value]) => value !== undefined));
}

/** What the run that a checkpoint is of was trained on. */
function dataOfRun(checkpoint: string): RunData | undefined {
  const run = runOf(checkpoint);
  return run === undefined ? undefined : RunFolder.find(run).readData();
}

/** The folder of the run that a checkpoint is of: it is the checkpoint's, or above it. */
export function runOf(checkpoint: string): string | undefined {
  return [checkpoint, dirname(dirname(checkpoint))].find((folder) => existsSync(join(folder, "data.json")));
}

function samePlace(a: string, b: string): boolean {
  return a === b || (existsSync(a) && existsSync(b) && realpathSync(a) === realpathSync(b));
}
