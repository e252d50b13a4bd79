import * as fs from "node:fs";
import { join } from "node:path";
import { hasBegun } from "../ablation/runs/results.js";
import { systemReason, writeFileAtomic } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { makeFolder } from "../base/folders.js";
import type { DataSelection } from "../data/sources/open.js";
import type { EngineChoice } from "../engine/engine-name.js";
import { differences } from "../recipe/differences.js";
import type { Recipe } from "../recipe/recipe.js";
import { differenceText } from "../run/going-on.js";
import { FolderLock, LOCK } from "../run/run-lock.js";

const SETTINGS = "folds.json";
/** More differences than that say only that it is something else. */
const SHOWN_DIFFERENCES = 3;

/** Everything that decides what the folds' figures are. Plain JSON. */
export interface AskedFolds {
  /** A data set's name or full path. */
  readonly data: string;
  readonly selection: DataSelection;
  readonly folds: number;
  readonly recipe: Recipe;
  readonly device: string;
  readonly engine: EngineChoice;
  readonly cache: string | null;
}

/** Whether a folder is that of a training in folds. */
export function isFoldsFolder(path: string): boolean {
  return fs.existsSync(join(path, SETTINGS));
}

/** @throws InputError where the folder's settings cannot be read */
export function readAsked(path: string): AskedFolds {
  const file = join(path, SETTINGS);
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as AskedFolds;
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
  }
}

/**
 * Takes a folder, new or of an earlier start with the same settings, for this process until the lock is disposed.
 *
 * @throws InputError where it holds something else, cannot be written, or another process works in it
 */
export function takeFolder(path: string, asked: AskedFolds): Disposable {
  try {
    makeFolder(path);
    if (!isFoldsFolder(path) && fs.readdirSync(path).some((name) => name !== LOCK)) {
      throw new InputError(`${path} is not empty and holds no folds: choose another --out`);
    }
    const lock = FolderLock.take(path);
    try {
      if (isFoldsFolder(path) && hasAnyBegun(path)) requireSame(path, asked);
      else writeFileAtomic(join(path, SETTINGS), `${JSON.stringify(asked, null, 2)}\n`);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
    return { [Symbol.dispose]: () => release(path, lock) };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot use the folder ${path}: ${systemReason(error)}; choose another --out`, error);
  }
}

/** A folder in which nothing came about goes again. */
function release(path: string, lock: FolderLock): void {
  if (!hasAnyBegun(path)) fs.rmSync(join(path, SETTINGS), { force: true });
  lock[Symbol.dispose]();
  if (fs.readdirSync(path).length === 0) fs.rmdirSync(path);
}

/** Settings with which nothing was trained, because they were wrong, are no settings. */
function hasAnyBegun(path: string): boolean {
  return fs.readdirSync(path).some((name) => name.startsWith("fold-") && hasBegun(join(path, name)));
}

function requireSame(path: string, asked: AskedFolds): void {
  // As JSON has it: what is undefined is not there.
  const found = differences(readAsked(path), JSON.parse(JSON.stringify(asked)));
  if (found.length === 0) return;
  const more = found.length - SHOWN_DIFFERENCES;
  const shown =
    found.slice(0, SHOWN_DIFFERENCES).map(differenceText).join("; ") + (more > 0 ? `; and ${more} more` : "");
  throw new InputError(
    `${path} holds folds with other settings: ${shown}; go on with those by --resume ${path}, or choose another --out`,
  );
}
