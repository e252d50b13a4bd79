/** Where a checkpoint is: by its own folder, by its run's, or by the link that a run replaces. */
import * as fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { olderVersions } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { entryAt } from "../base/folders.js";
import { CONFIG, WEIGHTS } from "./checkpoint-files.js";

/**
 * The folders, or links to them, of the checkpoint that a checkpoint's or a run's folder stands for, and of those before it, newest first.
 *
 * @throws InputError where there is none
 */
export function foldersFor(path: string): string[] {
  const entry = entryAt(path, fs.lstatSync);
  if (entry === undefined) {
    throw new InputError(
      `there is no checkpoint ${path}: give a checkpoint's folder, a run's folder or a .safetensors file`,
    );
  }
  if (isFolder(path) === false) throw new InputError(`${path} is no checkpoint: ${insteadOf(path)}`);
  const ofRun = [join(path, "checkpoints", "best"), join(path, "checkpoints", "last")].filter(
    (link) => entryAt(link, fs.lstatSync) !== undefined,
  );
  if (ofRun.length > 0) return ofRun.flatMap((link) => [link, ...olderVersions(link)]);
  const files = [join(path, WEIGHTS), join(path, CONFIG)];
  if (!entry.isSymbolicLink() && !files.some((file) => fs.existsSync(file))) {
    throw new InputError(`${path} holds no checkpoint: neither ${WEIGHTS} and ${CONFIG} nor a run's checkpoints/`);
  }
  return [path, ...olderVersions(path)];
}

/** Undefined where there is nothing, as for a moment where a link leads while a run replaces its checkpoint. */
function isFolder(path: string): boolean | undefined {
  return entryAt(path)?.isDirectory();
}

/** What to give where a checkpoint is wanted and a file was named. */
function insteadOf(file: string): string {
  const wanted = "give a checkpoint's folder, a run's folder or a .safetensors file with its config.json";
  if (/\.onnx$/i.test(file)) return `an ONNX file is for knack predict only; ${wanted}`;
  return PYTORCH_NAME.test(file) ? `${toImport(file)}` : `it is a file; ${wanted}`;
}

const PYTORCH_NAME = /\.(pth|pt|th|bin|ckpt|tar|safetensors)$/i;

/** What to do about a file of weights that nothing says the model of. */
export function toImport(file: string): string {
  return `make a checkpoint of it by knack import ${file} --model NAME --out FOLDER, and give that folder`;
}

/**
 * Reads all files from the folder that the link `path` points to now. A training run may replace and remove it meanwhile;
 * then the reading starts again with the new one, so that weights and config always belong together.
 */
export function readSteadily<T>(path: string, read: (folder: string) => T): T {
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
