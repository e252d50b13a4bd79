import { type Dir, type Dirent, opendirSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { systemReason } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { entryAt } from "../../base/folders.js";
import { refuseLack } from "../../base/lack.js";

/**
 * A data file's bytes.
 *
 * @throws InputError where it cannot be read
 */
export function readDataFile(path: string): Buffer {
  return explained(() => readFileSync(path));
}

/**
 * What a path is, undefined where there is nothing: also where a link leads nowhere, or round in a circle.
 *
 * @throws InputError where it cannot be looked at
 */
export function lookAt(path: string): Stats | undefined {
  return explained(() => entryAt(path));
}

/** Whether an entry of `listFolder` is a folder or a link to one; a link that leads nowhere, or where nobody may look, is none. */
export function isFolder(parent: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return statSync(join(parent, entry.name)).isDirectory();
  } catch (error) {
    refuseLack(error);
    return false;
  }
}

/**
 * A folder, to look at its entries one by one.
 *
 * @throws InputError where it cannot be listed
 */
export function openFolder(folder: string): Dir {
  return listing(folder, () => opendirSync(folder));
}

/**
 * What tells of a folder.
 *
 * @throws InputError that names it, where the system refuses
 */
export function listing<T>(folder: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    refuseLack(error);
    // Node gives bytes that are not UTF-8 as U+FFFD, and a folder of that name does not exist.
    const reason = folder.includes("\ufffd") ? "its name is not UTF-8, rename it" : systemReason(error);
    throw new InputError(`cannot list the folder ${JSON.stringify(folder)}: ${reason}`, error);
  }
}

/**
 * What a folder holds, in natural order (data_batch_2 before data_batch_10).
 *
 * @throws InputError where it cannot be listed
 */
export function listFolder(folder: string): Dirent[] {
  const { compare } = new Intl.Collator("en", { numeric: true });
  const entries = listing(folder, () => readdirSync(folder, { withFileTypes: true }));
  return entries.sort((a, b) => compare(a.name, b.name));
}

/** The names in a folder, as listFolder. */
export function namesIn(folder: string): string[] {
  return listFolder(folder).map((entry) => entry.name);
}

function explained<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    refuseLack(cause);
    throw new InputError(`cannot read the data: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
}
