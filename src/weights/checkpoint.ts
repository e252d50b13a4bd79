/**
 * A checkpoint is a folder: `model.safetensors` (weights under torchvision and timm names), `config.json` (what the model
 * is and how its input is normalised, under the keys timm uses) and `manifest.json`; a run's also has `convolutions.json`. The checkpoint a run
 * resumes from also holds `training.safetensors`: optimizer state as tensors, everything else as JSON text in the file's metadata.
 */
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { replaceDirectoryAtomic, systemReason } from "../base/atomic-file.js";
import { InputError, KnackError } from "../base/errors.js";
import { entryAt, makeFolder } from "../base/folders.js";
import { type KeptChoices, parseKeptChoices } from "../engine/convolution-choices.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { type KeptCalibration, readCalibration } from "./calibration.js";
import { CONFIG, CONVOLUTIONS, TRAINING, WEIGHTS } from "./checkpoint-files.js";
import { type CheckpointConfig, configJson, parseConfig } from "./config.js";
import { foldersFor, readSteadily, toImport } from "./find-checkpoint.js";
import { checkManifest, writeWithManifest } from "./manifest.js";
import { OpenFile } from "./open-file.js";
import { encodeSafetensors, readSafetensors } from "./safetensors/safetensors.js";

export interface Checkpoint {
  readonly weights: ReadonlyMap<string, RawTensor>;
  readonly config: CheckpointConfig;
  /** Which algorithm computed each convolution, where that was chosen: the same ones compute the same bits. */
  readonly convolutions?: KeptChoices | undefined;
}

/** A checkpoint as it was read. */
interface FoundCheckpoint extends Checkpoint {
  /** Its own folder. */
  readonly folder: string;
  /** Where a newer one is damaged and this is the one before: which one, and how. */
  readonly insteadOf?: string;
}

/** One to compute with. */
export interface UsableCheckpoint extends FoundCheckpoint {
  /** What `knack calibrate` found out about it. The weights are as they were trained: it is for who uses them to divide the logits. */
  readonly calibration?: KeptCalibration;
}

/** What only a resumed run needs. */
export interface TrainingState {
  /** Tensors of the optimizer and the like. */
  readonly training: ReadonlyMap<string, RawTensor>;
  /** Counters, random state and the like: a plain JSON object. */
  readonly state: object;
}

/** What becomes of the checkpoint that is there already. */
export interface Earlier {
  /** How many older ones stay beside a new one. Default: 0. */
  readonly keep?: number;
  /** Whether the new one is of the same step, so that the one before it is none of those. */
  readonly sameStep?: boolean;
}

/**
 * Writes the folder `directory`, whole or not at all: whoever reads it meanwhile finds the checkpoint before it.
 *
 * @throws KnackError that names the path where it cannot be written.
 */
export function saveCheckpoint(
  directory: string,
  checkpoint: Checkpoint,
  extra?: TrainingState,
  { keep = 0, sameStep = false }: Earlier = {},
): void {
  const write = (folder: string) => writeWithManifest(folder, contentsOf(checkpoint, extra));
  replaceDirectoryAtomic(directory, write, { keep, dropsLast: sameStep });
}

/**
 * Writes a checkpoint to a new folder that nothing else is in, whole or not at all.
 *
 * @throws InputError where the folder exists and is not empty; KnackError where it cannot be written.
 */
export function createCheckpoint(directory: string, checkpoint: Checkpoint): void {
  requireFree(directory);
  const folder = join(dirname(resolve(directory)), `.${basename(resolve(directory))}.tmp`);
  naming(directory, () => {
    try {
      fs.rmSync(folder, { recursive: true, force: true });
      makeFolder(folder);
      writeWithManifest(folder, contentsOf(checkpoint));
      fs.renameSync(folder, directory);
    } catch (error) {
      fs.rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  });
}

/** @throws InputError where `directory` cannot become a new checkpoint's folder because something is there. */
export function requireFree(directory: string): void {
  naming(directory, () => {
    const entry = fs.lstatSync(directory, { throwIfNoEntry: false });
    if (entry === undefined) return;
    if (!entry.isDirectory()) throw new InputError(`${directory} is there and no folder: choose another --out`);
    if (fs.readdirSync(directory).length > 0) throw new InputError(`${directory} is not empty: choose another --out`);
  });
}

/** Runs `action`; an error of the file system becomes one for people that names `directory`. */
function naming(directory: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (error instanceof KnackError || (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new KnackError(`cannot write ${directory}: ${systemReason(error)}`, { cause: error });
  }
}

function contentsOf(
  { weights, config, convolutions }: Checkpoint,
  extra?: TrainingState,
): Map<string, Uint8Array | string> {
  const contents = new Map<string, Uint8Array | string>();
  // Without this metadata entry transformers refuses a file.
  contents.set(WEIGHTS, encodeSafetensors(weights, { format: "pt" }));
  contents.set(CONFIG, `${JSON.stringify(configJson(config), null, 2)}\n`);
  if (convolutions) contents.set(CONVOLUTIONS, `${JSON.stringify(convolutions, null, 1)}\n`);
  if (extra) contents.set(TRAINING, encodeSafetensors(extra.training, { state: JSON.stringify(extra.state) }));
  return contents;
}

/**
 * Reads a checkpoint. Where the newest of a run is damaged, that is the one before it.
 *
 * @param path a checkpoint's folder, a run's folder (its best checkpoint, or the last while there is no best yet), or a
 *   `.safetensors` file with its `config.json` beside it
 * @throws InputError where something is missing or broken, naming the file and, in `config.json`, the key.
 */
export function loadCheckpoint(path: string): UsableCheckpoint {
  const { folders, weights } = placesOf(path);
  const found = firstUndamaged(folders, (folder) => readCheckpoint(folder, weights));
  const calibration = readCalibration(found.folder);
  return calibration ? { ...found, calibration } : found;
}

/** @throws InputError where `path` names no checkpoint that `loadCheckpoint` could try to read */
export function requireCheckpoint(path: string): void {
  placesOf(path);
}

function placesOf(path: string): { folders: readonly string[]; weights: string } {
  const isFile = entryAt(path)?.isFile() === true && path.endsWith(".safetensors");
  if (!isFile) return { folders: foldersFor(path), weights: WEIGHTS };
  if (!fs.existsSync(join(dirname(path), CONFIG))) {
    throw new InputError(`${path} has no ${CONFIG} beside it, which says what model it is for: ${toImport(path)}`);
  }
  return { folders: [dirname(path)], weights: basename(path) };
}

/**
 * Reads a checkpoint with what `saveCheckpoint` was given as `extra`. Where the newest of a run is damaged, that is the one before it.
 *
 * @param directory a checkpoint's folder, normally `checkpoints/last` of a run
 * @throws InputError where it holds no training state or a broken one.
 */
export function loadResumable(directory: string): FoundCheckpoint & TrainingState {
  return firstUndamaged(foldersFor(directory), (folder) => {
    return { ...readTrainingState(folder, directory), ...readCheckpoint(folder, WEIGHTS) };
  });
}

/** What the first of these folders holds that is whole, newest first. @throws InputError what is wrong with the first, where none is */
function firstUndamaged<T extends FoundCheckpoint>(folders: readonly string[], read: (folder: string) => T): T {
  const faults: InputError[] = [];
  for (const folder of folders) {
    try {
      const found = readSteadily(folder, read);
      const [fault] = faults;
      return fault ? { ...found, insteadOf: `${fault.message}; used instead: ${folder}` } : found;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      faults.push(error);
    }
  }
  throw faults[0];
}

function readCheckpoint(folder: string, weights: string): FoundCheckpoint {
  checkManifest(folder, [weights, CONFIG, CONVOLUTIONS]);
  return {
    weights: readTensors(join(folder, weights)).tensors,
    config: readConfig(join(folder, CONFIG)),
    ...readConvolutions(join(folder, CONVOLUTIONS)),
    folder,
  };
}

function readTrainingState(folder: string, path: string): TrainingState {
  const file = join(folder, TRAINING);
  if (!fs.existsSync(file)) {
    throw new InputError(`${path} holds no ${TRAINING}: only a run's checkpoints/last can be resumed`);
  }
  checkManifest(folder, [TRAINING]);
  const { tensors, metadata } = readTensors(file);
  const state = parseJson(metadata.state ?? "", `the state in ${file}`);
  if (typeof state !== "object" || state === null) throw new InputError(`the state in ${file} is not a JSON object`);
  return { training: tensors, state };
}

function readTensors(file: string) {
  using open = new OpenFile(file);
  return readSafetensors(open);
}

/** Without them, or with broken ones, this machine chooses. */
function readConvolutions(file: string): Pick<Checkpoint, "convolutions"> {
  try {
    const convolutions = parseKeptChoices(JSON.parse(fs.readFileSync(file, "utf8")));
    return convolutions ? { convolutions } : {};
  } catch {
    return {};
  }
}

/** @throws InputError that names the file, and the key where there is one. */
export function readConfig(file: string): CheckpointConfig {
  return parseConfig(parseJson(readFile(file).toString(), file), file);
}

function readFile(file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
  }
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where} is not JSON: ${(error as Error).message.replace(/\s+/g, " ")}`, error);
  }
}
