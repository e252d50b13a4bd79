import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { KnackError } from "./errors.js";
import { lackIn } from "./lack.js";

/**
 * Writes a file so that a reader, or a restart after a crash, finds the whole old or the whole new content: written beside
 * under a temporary name, flushed to the disk, renamed. One writer per path at a time.
 *
 * @throws KnackError that names the path where the disk is full, the folder is missing or writing is not allowed.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  // A fixed name, so that the leftover of a killed process is overwritten and not collected.
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  naming(path, () => {
    try {
      fs.writeFileSync(temporary, data, { flush: true });
      fs.renameSync(temporary, path);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
  });
}

/**
 * Replaces a folder so that a reader finds the whole old or the whole new one. Renaming cannot replace a folder that is not
 * empty, so `path` is a relative symbolic link to a hidden sibling `.NAME-<n>`, and what is renamed over it is a new link.
 * Then the older siblings go, also those that a killed process left. One writer per path at a time.
 *
 * A real folder at `path` (a copied run whose links were followed) is moved aside first: for that moment `path` is missing.
 *
 * @param write fills the new, empty folder; where it throws, `path` stays as it was
 * @throws KnackError that names the path; what `write` throws.
 */
export function replaceDirectoryAtomic(path: string, write: (directory: string) => void): void {
  const parent = dirname(resolve(path));
  const name = basename(path);
  const siblings = () =>
    fs
      .readdirSync(parent)
      .filter((entry) => entry.startsWith(`.${name}-`) && /^\d+$/.test(entry.slice(name.length + 2)));
  const removeSiblingsExcept = (kept: string) => {
    for (const entry of siblings())
      if (entry !== kept) fs.rmSync(join(parent, entry), { recursive: true, force: true });
  };
  naming(path, () => {
    const before = fs.lstatSync(path, { throwIfNoEntry: false });
    if (before?.isSymbolicLink()) removeSiblingsExcept(fs.readlinkSync(path));

    const newest = Math.max(0, ...siblings().map((entry) => Number(entry.slice(name.length + 2))));
    const target = `.${name}-${newest + 1}`;
    const link = join(parent, `.${name}.link`);
    try {
      fs.mkdirSync(join(parent, target));
      write(join(parent, target));
      fs.rmSync(link, { force: true });
      fs.symlinkSync(target, link);
      if (before?.isDirectory()) fs.renameSync(path, join(parent, `.${name}-${newest + 2}`));
      fs.renameSync(link, path);
    } catch (error) {
      fs.rmSync(link, { force: true });
      fs.rmSync(join(parent, target), { recursive: true, force: true });
      throw error;
    }
    removeSiblingsExcept(target);
  });
}

/** Why the system refused, in its own words without the error code: "no space left on device". Of a limit, which one it is. */
export function systemReason(error: unknown): string {
  const { message } = error as Error;
  return lackIn(error)?.message ?? /^E[A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? message;
}

/** Runs `action`; an error of the file system becomes one for people that names `path`. */
function naming(path: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (error instanceof KnackError || (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new KnackError(`cannot write ${path}: ${systemReason(error)}`, { cause: error });
  }
}
