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

/** What becomes of the folders that a new one comes after. */
export interface EarlierFolders {
  /** How many of them stay. */
  readonly keep: number;
  /** Whether the newest of them is none of those. */
  readonly dropsLast: boolean;
}

/**
 * Replaces a folder so that a reader finds the whole old or the whole new one. Renaming cannot replace a folder that is not
 * empty, so `path` is a relative symbolic link to a hidden sibling `.NAME-<n>`, and what is renamed over it is a new link.
 * Then older siblings go, but for as many as are to be kept, and what a killed process left. One writer per path at a time.
 *
 * A real folder at `path` (a copied run whose links were followed) is moved aside first: for that moment `path` is missing.
 *
 * @param write fills the new, empty folder; where it throws, `path` stays as it was
 * @throws KnackError that names the path; what `write` throws.
 */
export function replaceDirectoryAtomic(
  path: string,
  write: (directory: string) => void,
  { keep, dropsLast }: EarlierFolders = { keep: 0, dropsLast: false },
): void {
  const parent = dirname(resolve(path));
  const name = basename(path);
  const remove = (number: number) => fs.rmSync(join(parent, `.${name}-${number}`), { recursive: true, force: true });
  naming(path, () => {
    const before = fs.lstatSync(path, { throwIfNoEntry: false });
    const current = numberOfLink(path);
    // Newer than what is linked is only what was being written when its process was killed; without a link there was never a whole one.
    for (const number of versions(path)) if (current === undefined || number > current) remove(number);

    const aside = before?.isDirectory() ? (current ?? 0) + 1 : undefined;
    const next = (aside ?? current ?? 0) + 1;
    const target = `.${name}-${next}`;
    const link = join(parent, `.${name}.link`);
    try {
      fs.mkdirSync(join(parent, target));
      write(join(parent, target));
      fs.rmSync(link, { force: true });
      fs.symlinkSync(target, link);
      if (aside !== undefined) fs.renameSync(path, join(parent, `.${name}-${aside}`));
      fs.renameSync(link, path);
    } catch (error) {
      fs.rmSync(link, { force: true });
      fs.rmSync(join(parent, target), { recursive: true, force: true });
      throw error;
    }
    const older = versions(path).filter((number) => number < next);
    for (const number of dropsLast ? [...older.slice(0, 1), ...older.slice(1 + keep)] : older.slice(keep))
      remove(number);
  });
}

/** The folders that `replaceDirectoryAtomic` left of those before the one that `path` links to, newest first. */
export function olderVersions(path: string): string[] {
  const current = numberOfLink(path);
  if (current === undefined) return [];
  const older = versions(path).filter((number) => number < current);
  return older.map((number) => join(dirname(path), `.${basename(path)}-${number}`));
}

/** The numbers of the siblings of a replaced folder, highest first. */
function versions(path: string): number[] {
  const prefix = `.${basename(path)}-`;
  const numbers = fs.readdirSync(dirname(resolve(path))).flatMap((entry) => {
    const number = entry.startsWith(prefix) ? entry.slice(prefix.length) : "";
    return /^\d+$/.test(number) ? [Number(number)] : [];
  });
  return numbers.sort((a, b) => b - a);
}

/** Which of them a link leads to; undefined where `path` is no such link. */
function numberOfLink(path: string): number | undefined {
  if (!fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return undefined;
  const target = fs.readlinkSync(path);
  const prefix = `.${basename(path)}-`;
  return target.startsWith(prefix) ? Number(target.slice(prefix.length)) : undefined;
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
