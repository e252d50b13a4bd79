/**
 * A checkpoint is a folder: `model.safetensors` (weights under torchvision and timm names) and `config.json` (what the model
 * is and how its input is normalised, under the keys timm uses). The checkpoint a run resumes from also holds
 * `training.safetensors`: optimizer state as tensors, everything else as JSON text in the file's metadata.
 */
import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { replaceDirectoryAtomic, systemReason, writeFileAtomic } from "../atomic-file.js";
import { InputError } from "../errors.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { type CheckpointConfig, configSchema } from "./config.js";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.js";

const WEIGHTS = "model.safetensors";
const CONFIG = "config.json";
const TRAINING = "training.safetensors";

export interface Checkpoint {
  readonly weights: ReadonlyMap<string, RawTensor>;
  readonly config: CheckpointConfig;
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
    // Without this metadata entry transformers refuses a file.
    writeFileAtomic(join(folder, WEIGHTS), encodeSafetensors(checkpoint.weights, { format: "pt" }));
    writeFileAtomic(join(folder, CONFIG), `${JSON.stringify(checkpoint.config, null, 2)}\n`);
    if (extra !== undefined) {
      const metadata = { state: JSON.stringify(extra.state) };
      writeFileAtomic(join(folder, TRAINING), encodeSafetensors(extra.training, metadata));
    }
  });
}

/**
 * Reads a checkpoint.
 *
 * @param path a checkpoint's folder, a run's folder (its best checkpoint, or the last while there is no best yet), or a
 *   `.safetensors` file with its `config.json` beside it
 * @throws InputError where something is missing or broken, naming the file and, in `config.json`, the key.
 */
export function loadCheckpoint(path: string): Checkpoint {
  const isFile = path.endsWith(".safetensors");
  const weights = isFile ? basename(path) : WEIGHTS;
  return readSteadily(isFile ? dirname(path) : checkpointFolder(path), (folder) => ({
    weights: readTensors(join(folder, weights)).tensors,
    config: readConfig(join(folder, CONFIG)),
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
  return decodeSafetensors(readFile(file), file);
}

function readConfig(file: string): CheckpointConfig {
  const result = configSchema.safeParse(parseJson(readFile(file).toString(), file));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new InputError(`${file}: ${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
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
    throw new InputError(`${where} is not JSON: ${(error as Error).message}`, error);
  }
}
