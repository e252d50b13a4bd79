import { existsSync, mkdirSync, type lstatSync, type Stats, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

/** The user's home; undefined where there is none. A HOME that is empty or no full path names none, and the system is asked. */
export function homeFolder(): string | undefined {
  const { HOME } = process.env;
  if (HOME !== undefined && isAbsolute(HOME)) return HOME;
  try {
    return userInfo().homedir;
  } catch {
    return undefined; // a user whom the system does not know, as in many containers
  }
}

/**
 * knack's own folder for what can be made again: in XDG_CACHE_HOME, which by its rules counts only as a full path, or ~/.cache.
 * It may not be there yet; undefined where there is no home.
 */
export function cacheFolder(): string | undefined {
  const { XDG_CACHE_HOME } = process.env;
  if (XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, "knack");
  const home = homeFolder();
  return home === undefined ? undefined : join(home, ".cache", "knack");
}

/**
 * Makes a folder with its parents, where they are not there yet; another process may be making them too. Node's own recursive mkdir
 * never comes back from a path like /proc/run, and says of a file system that is read-only that there is no such folder.
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !isFolder(path)) throw error;
  }
}

/**
 * What is at a path; undefined where there is nothing: also where a link goes round in a circle, or where what should be a folder is a
 * file (`weights.pth/best`), of which Node makes errors whatever it is told.
 *
 * @param look lstatSync for a link itself
 */
export function entryAt(path: string, look: typeof lstatSync = statSync): Stats | undefined {
  try {
    return look(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw error;
  }
}

function isFolder(path: string): boolean {
  return entryAt(path)?.isDirectory() === true;
}
