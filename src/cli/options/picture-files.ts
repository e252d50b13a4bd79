import { realpathSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { globSync, isDynamicPattern } from "tinyglobby";
import { isFolder, listFolder, lookAt } from "../../data/sources/read-files.js";
import { PICTURE_FORMATS } from "../../data/pictures/picture.js";
import { PICTURE_NAME } from "../../data/pictures/picture-name.js";
import { InputError } from "../../base/errors.js";

/**
 * The picture files that arguments stand for, in the order given. A folder stands for the files in it and below whose name
 * ends like a picture's, in natural order, but for hidden ones; a pattern (`*`, `**`, `{a,b}`, ...) that is no file's name
 * for what it matches, in natural order; everything else for itself, whether it is there or not.
 *
 * @throws InputError where a folder holds no picture or a pattern matches nothing.
 */
export function pictureFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const found = lookAt(path);
    if (found === undefined && isDynamicPattern(path)) return matches(path);
    return found?.isDirectory() ? picturesOf(path) : [path];
  });
}

function matches(pattern: string): string[] {
  const { compare } = new Intl.Collator("en", { numeric: true });
  // Folders too, as from a shell.
  const found = globSync(pattern, { onlyFiles: false, expandDirectories: false, absolute: isAbsolute(pattern) }).sort(
    compare,
  );
  if (found.length === 0) throw new InputError(`nothing matches ${pattern}`);
  return found.flatMap((path) => (lookAt(path)?.isDirectory() ? picturesOf(path) : [path]));
}

function picturesOf(folder: string): string[] {
  const found = picturesBelow(folder, []);
  if (found.length === 0) throw new InputError(`there are no pictures in ${folder}: ${PICTURE_FORMATS} are read`);
  return found;
}

/** @param above the folders this one lies in, so that links cannot lead round in circles */
function picturesBelow(folder: string, above: readonly string[]): string[] {
  const here = realpathSync(folder);
  if (above.includes(here)) return [];
  return listFolder(folder).flatMap((entry) => {
    if (entry.name.startsWith(".")) return [];
    const path = join(folder, entry.name);
    if (isFolder(folder, entry)) return picturesBelow(path, [...above, here]);
    return PICTURE_NAME.test(entry.name) ? [path] : [];
  });
}
