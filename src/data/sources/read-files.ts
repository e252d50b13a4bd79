import { type Dirent, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { InputError } from "../../base/errors.js";

/**
 * A data file's bytes.
 *
 * @throws InputError where it cannot be read
 */
export function readDataFile(path: string): Buffer {
  return explained(() => readFileSync(path));
}

/**
 * What a path is, undefined where there is nothing.
 *
 * @throws InputError where it cannot be looked at
 */
export function lookAt(path: string): Stats | undefined {
  return explained(() => statSync(path, { throwIfNoEntry: false }));
}

/**
 * What a folder holds, in natural order (data_batch_2 before data_batch_10).
 *
 * @throws InputError where it cannot be listed
 */
export function listFolder(folder: string): Dirent[] {
  const { compare } = new Intl.Collator("en", { numeric: true });
  const entries = explained(() => readdirSync(folder, { withFileTypes: true }));
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
    throw new InputError(`cannot read the data: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
}
