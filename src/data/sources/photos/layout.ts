import { join } from "node:path";
import { InputError } from "../../../base/errors.js";
import { PICTURE_NAME } from "../../pictures/picture-name.js";
import { isFolder } from "../read-files.js";
import { entriesOf } from "./split-folders.js";
import { isLikeSplitName, isSplitName } from "./split-names.js";

/**
 * Refuses folders that are no classes, though they lie where classes are looked for: splits of other names, folders around the data set,
 * copies of it. A network would learn to tell them apart.
 *
 * @param folder what holds `classes`
 * @returns what is odd about them, each a part of a sentence
 * @throws InputError that says what to do
 */
export function requireClasses(folder: string, classes: readonly string[]): string[] {
  const all = classes.map((name) => foldersIn(join(folder, name)));
  const inside = classes.map((name) => subfolders(join(folder, name)));
  const [first, second] = classes;
  const [own] = inside;
  if (first !== undefined && second === undefined && own && own.length > 0) {
    const path = JSON.stringify(join(folder, first));
    throw new InputError(`${folder} holds one folder, ${JSON.stringify(first)}, with folders in it: give ${path}`);
  }
  const split = classes.filter((_, at) => (inside[at] ?? []).filter(isSplitName).length > 1);
  if (split[0] !== undefined) {
    const splits = inside[classes.indexOf(split[0])] ?? [];
    const path = join(folder, split[0]);
    if (splits.some((name) => subfolders(join(path, name)).length > 0)) {
      throw new InputError(
        `${JSON.stringify(path)} is a data set, no class: it holds ${few(splits)}; give that folder`,
      );
    }
    throw new InputError(
      `the classes in ${folder} (${few(split)}) hold a split each (${few(splits)}): make it train/CLASS and val/CLASS`,
    );
  }
  if (second !== undefined && own && own.length > 1 && inside.every((names) => same(names, own))) {
    throw new InputError(
      `${few(classes)} in ${folder} hold the same folders (${few(own)}): where they are splits, call them train/ and val/, or give one of them; ` +
        "where they are classes, put their pictures right into them",
    );
  }
  const likeSplits = classes.filter((name, at) => isLikeSplitName(name) && (inside[at] ?? []).length > 0);
  if (likeSplits.length > 1) {
    throw new InputError(
      `${few(likeSplits)} in ${folder} are called like splits and hold folders, so they are no classes: call them train/ and val/, or give one of them`,
    );
  }
  const notes: string[] = [];
  for (const [at, names] of all.entries()) {
    const name = classes[at] as string;
    const copies = names.filter((inner) => inner !== name && classes.includes(inner));
    if (copies.length > 1) {
      const path = JSON.stringify(join(folder, name));
      throw new InputError(
        `${path} is no class: it holds folders called like the classes beside it (${few(copies)}); remove it`,
      );
    }
    for (const copy of copies) {
      notes.push(
        `${JSON.stringify(join(name, copy))} is called like the class ${JSON.stringify(copy)}, and counts as ${JSON.stringify(name)}`,
      );
    }
  }
  return notes;
}

/** The folders in a folder, also beside pictures of its own. */
function foldersIn(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => isFolder(folder, entry) && !PICTURE_NAME.test(entry.name))
    .map(({ name }) => name);
}

/** The folders in a folder without pictures of its own; a lone one is looked into. */
function subfolders(folder: string): string[] {
  const entries = entriesOf(folder);
  if (entries.some(({ name }) => PICTURE_NAME.test(name))) return [];
  const names = foldersIn(folder);
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
