import { realpathSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { globSync, isDynamicPattern } from "tinyglobby";
import { isFolder, listFolder, listing, lookAt } from "../../data/sources/read-files.js";
import { PICTURE_FORMATS } from "../../data/pictures/picture.js";
import { PICTURE_NAME } from "../../data/pictures/picture-name.js";
import { formatOfOther } from "../../data/pictures/file-format.js";
import { addOther, type OtherFiles, PIPE, unreadText } from "../../data/photos/other-files.js";
import { isLeftover } from "../../data/sources/photos/leftovers.js";
import { InputError } from "../../base/errors.js";

/**
 * The picture files that arguments stand for, in the order given. A folder stands for the files in it and below whose name
 * ends like a picture's, in natural order, but for hidden ones; a pattern (`*`, `**`, `{a,b}`, ...) that is no file's name
 * for what it matches, in natural order; everything else for itself, whether it is there or not.
 *
 * @param others what else lies in the folders is added to it
 * @throws InputError where a folder holds no picture or a pattern matches nothing.
 */
export function pictureFiles(paths: readonly string[], others: OtherFiles = { count: 0, examples: [] }): string[] {
  return paths.flatMap((path) => {
    if (path === "-") return ["/dev/stdin"];
    if (/^(?!file:)[a-z][a-z\d+.-]+:\/\//i.test(path))
      throw new InputError(`${path} is not fetched: download it, and give the file`);
    const found = lookAt(path);
    if (found === undefined && isDynamicPattern(path)) return matches(path, others);
    return found?.isDirectory() ? picturesOf(path, others) : [path];
  });
}

function matches(pattern: string, others: OtherFiles): string[] {
  const { compare } = new Intl.Collator("en", { numeric: true });
  // Folders too, as from a shell.
  const found = globSync(pattern, { onlyFiles: false, expandDirectories: false, absolute: isAbsolute(pattern) }).sort(
    compare,
  );
  if (found.length === 0) throw new InputError(`nothing matches ${pattern}`);
  return found.flatMap((path) => (lookAt(path)?.isDirectory() ? picturesOf(path, others) : [path]));
}

function picturesOf(folder: string, others: OtherFiles): string[] {
  const found = picturesBelow(folder, [], others);
  if (found.length === 0) {
    const unread = unreadText(others, 0);
    throw new InputError(
      `there are no pictures in ${folder}: ${PICTURE_FORMATS} are read${unread === undefined ? "" : `; ${unread}`}`,
    );
  }
  return found;
}

/** @param above the folders this one lies in, so that links cannot lead round in circles */
function picturesBelow(folder: string, above: readonly string[], others: OtherFiles): string[] {
  const here = listing(folder, () => realpathSync(folder));
  if (above.includes(here)) return [];
  return listFolder(folder).flatMap((entry) => {
    if (isLeftover(entry.name)) return [];
    const path = join(folder, entry.name);
    if (isFolder(folder, entry)) return picturesBelow(path, [...above, here], others);
    // Reading a named pipe waits for a writer.
    if (!entry.isFile() && !entry.isSymbolicLink()) addOther(others, path, PIPE);
    else if (PICTURE_NAME.test(entry.name)) return [path];
    else {
      const format = formatOfOther(path);
      if (format?.read) return [path];
      addOther(others, path, format?.name);
    }
    return [];
  });
}
