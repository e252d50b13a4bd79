/**
 * A checkpoint is a folder: `model.safetensors` (weights under torchvision and timm names) and `config.json` (what the model
 * is and how its input is normalised, under the keys timm uses); a run's also has `convolutions.json`. The checkpoint a run resumes from also holds
 * `training.safetensors`: optimizer state as tensors, everything else as JSON text in the file's metadata.
 */
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { replaceDirectoryAtomic, systemReason, writeFileAtomic } from "../base/atomic-file.js";
import { InputError, KnackError } from "../base/errors.js";
import { makeFolder } from "../base/folders.js";
import { type KeptChoices, parseKeptChoices } from "../engine/convolution-choices.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { type CheckpointConfig, configJson, parseConfig } from "./config.js";
import { OpenFile } from "./open-file.js";
import { encodeSafetensors, readSafetensors } from "./safetensors/safetensors.js";

const WEIGHTS = "model.safetensors";
const CONFIG = "config.json";
const TRAINING = "training.safetensors";
const CONVOLUTIONS = "convolutions.json";

export interface Checkpoint {
  readonly weights: ReadonlyMap<string, RawTensor>;
  readonly config: CheckpointConfig;
  /** Which algorithm computed each convolution, where that was chosen: the same ones compute the same bits. */
  readonly convolutions?: KeptChoices | undefined;
}

/** What only a resumed run needs. */
export interface TrainingState {
  /** Tensors of the optimizer and the like. */
  readonly training: ReadonlyMap<string, RawTensor>;
  /** Counters, random state and the like: a plain JSON object. */
  readonly state: object;
}

/**
 * Writes the folder `directory`, whole or not at all: whoever reads it meanwhile finds the checkpoint before it.
 *
 * @throws KnackError that names the path where it cannot be written.
 */
export function saveCheckpoint(directory: string, checkpoint: Checkpoint, extra?: TrainingState): void {
  replaceDirectoryAtomic(directory, (folder) => {
    writeCheckpoint(folder, checkpoint);
    if (extra !== undefined) {
      const metadata = { state: JSON.stringify(extra.state) };
      writeFileAtomic(join(folder, TRAINING), encodeSafetensors(extra.training, metadata));
    }
  });
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
      writeCheckpoint(folder, checkpoint);
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

function writeCheckpoint(folder: string, { weights, config, convolutions }: Checkpoint): void {
  // Without this metadata entry transformers refuses a file.
  writeFileAtomic(join(folder, WEIGHTS), encodeSafetensors(weights, { format: "pt" }));
  writeFileAtomic(join(folder, CONFIG), `${JSON.stringify(configJson(config), null, 2)}\n`);
  if (convolutions) writeFileAtomic(join(folder, CONVOLUTIONS), `${JSON.stringify(convolutions, null, 1)}\n`);
}

/**
 * Reads a checkpoint.
 *
 * @param path a checkpoint's folder, a run's folder (its best checkpoint, or the last while there is no best yet), or a
 *   `.safetensors` file with its `config.json` beside it
 * @throws InputError where something is missing or broken, naming the file and, in `config.json`, the key.
 */
export function loadCheckpoint(path: string): Checkpoint {
  const isFile = path.endsWith(".safetensors") && !isFolder(path);
  const weights = isFile ? basename(path) : WEIGHTS;
  if (isFile && fs.existsSync(path) && !fs.existsSync(join(dirname(path), CONFIG))) {
    throw new InputError(`${path} has no ${CONFIG} beside it, which says what model it is for: ${toImport(path)}`);
  }
  return readSteadily(isFile ? dirname(path) : checkpointFolder(path), (folder) => ({
    weights: readTensors(join(folder, weights)).tensors,
    config: readConfig(join(folder, CONFIG)),
    ...readConvolutions(join(folder, CONVOLUTIONS)),
  }));
}

/**
 * Reads what `saveCheckpoint` was given as `extra`.
 *
 * @param directory a checkpoint's folder, normally `checkpoints/last` of a run
 * @throws InputError where it holds no training state or a broken one.
 */
export function loadTrainingState(directory: string): TrainingState {
  const file = join(directory, TRAINING);
  if (!fs.existsSync(file)) {
    throw new InputError(`${directory} holds no ${TRAINING}: only a run's checkpoints/last can be resumed`);
  }
  const { tensors, metadata } = readTensors(file);
  const state = parseJson(metadata.state ?? "", `the state in ${file}`);
  if (typeof state !== "object" || state === null) throw new InputError(`the state in ${file} is not a JSON object`);
  return { training: tensors, state };
}

/** The folder, or the link to it, of the checkpoint that a checkpoint's or a run's folder stands for. */
function checkpointFolder(path: string): string {
  const entry = fs.lstatSync(path, { throwIfNoEntry: false });
  if (entry === undefined) {
    throw new InputError(
      `there is no checkpoint ${path}: give a checkpoint's folder, a run's folder or a .safetensors file`,
    );
  }
  if (isFolder(path) === false) throw new InputError(`${path} is no checkpoint: ${insteadOf(path)}`);
  const ofRun = [join(path, "checkpoints", "best"), join(path, "checkpoints", "last")].find(
    (link) => fs.lstatSync(link, { throwIfNoEntry: false }) !== undefined,
  );
  if (ofRun !== undefined) return ofRun;
  const files = [join(path, WEIGHTS), join(path, CONFIG)];
  if (!entry.isSymbolicLink() && !files.some((file) => fs.existsSync(file))) {
    throw new InputError(`${path} holds no checkpoint: neither ${WEIGHTS} and ${CONFIG} nor a run's checkpoints/`);
  }
  return path;
}

/** Undefined where there is nothing, as for a moment where a link leads while a run replaces its checkpoint. */
function isFolder(path: string): boolean | undefined {
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory();
}

/** What to give where a checkpoint is wanted and a file was named. */
function insteadOf(file: string): string {
  const wanted = "give a checkpoint's folder, a run's folder or a .safetensors file with its config.json";
  if (/\.onnx$/i.test(file)) return `an ONNX file is for knack predict only; ${wanted}`;
  return PYTORCH_NAME.test(file) ? `${toImport(file)}` : `it is a file; ${wanted}`;
}

const PYTORCH_NAME = /\.(pth|pt|th|bin|ckpt|tar|safetensors)$/i;

function toImport(file: string): string {
  return `make a checkpoint of it by knack import ${file} --model NAME --out FOLDER, and give that folder`;
}

/**
 * Reads all files from the folder that the link `path` points to now. A training run may replace and remove it meanwhile;
 * then the reading starts again with the new one, so that weights and config always belong together.
 */
function readSteadily<T>(path: string, read: (folder: string) => T): T {
  for (;;) {
    const folder = follow(path);
    try {
      return read(folder);
    } catch (error) {
      // The link moves on before the folder goes.
      if (follow(path) === folder) throw error;
    }
  }
}

/** Where a link leads. Not `realpath`, which fails where the target is removed while it looks. */
function follow(path: string): string {
  const isLink = fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink();
  return isLink ? follow(resolve(dirname(path), fs.readlinkSync(path))) : path;
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
