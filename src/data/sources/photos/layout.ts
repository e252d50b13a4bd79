import { join } from "node:path";
import { InputError } from "../../../base/errors.js";
import { PICTURE_NAME } from "../../pictures/picture-name.js";
import { isFolder } from "../read-files.js";
import { entriesOf } from "./split-folders.js";
import { isSplitName } from "./split-names.js";

/**
 * Refuses folders that are no classes, though they lie where classes are looked for: splits of other names, folders around the data set,
 * copies of it. A network would learn to tell them apart.
 *
 * @param folder what holds `classes`
 * @throws InputError that says what to do
 */
export function requireClasses(folder: string, classes: readonly string[]): void {
  const inside = classes.map((name) => subfolders(join(folder, name)));
  const [first, second] = classes;
  const [own] = inside;
  if (first !== undefined && second === undefined && own && own.length > 0) {
    const path = JSON.stringify(join(folder, first));
    throw new InputError(`${folder} holds one folder, ${JSON.stringify(first)}, with folders in it: give ${path}`);
  }
  if (second !== undefined && own && own.length > 1 && inside.every((names) => same(names, own))) {
    const [above, below] = [few(classes), few(own)];
    throw new InputError(
      own.every(isSplitName)
        ? `the classes in ${folder} (${above}) hold a split each (${below}): make it train/CLASS and val/CLASS`
        : `${above} in ${folder} hold the same folders (${below}), so they are no classes: call them train/ and val/, or give one of them`,
    );
  }
  for (const [at, names] of inside.entries()) {
    const copies = names.filter((name) => name !== classes[at] && classes.includes(name));
    if (copies.length < 2) continue;
    const path = JSON.stringify(join(folder, classes[at] as string));
    throw new InputError(
      `${path} is no class: it holds folders called like the classes beside it (${few(copies)}); remove it`,
    );
  }
}

/** The folders in a folder without pictures of its own; a lone one is looked into. */
function subfolders(folder: string): string[] {
  const entries = entriesOf(folder);
  if (entries.some(({ name }) => PICTURE_NAME.test(name))) return [];
  const names = entries.filter((entry) => isFolder(folder, entry)).map(({ name }) => name);
  const deeper = names.length === 1 ? subfolders(join(folder, names[0] as string)) : [];
  return deeper.length > 1 ? deeper : names;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}

function few(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  return shown.join(", ") + (names.length > 3 ? ", …" : "");
}
