import { type Dirent, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { addOther, type OtherFiles } from "../../photos/other-files.js";
import { PICTURE_NAME } from "../../pictures/picture-name.js";
import { isFolder, listing, namesIn } from "../read-files.js";
import { byCodePoint } from "./code-point-order.js";
import { isLeftover } from "./leftovers.js";
import { splitsAmong } from "./split-names.js";

const SHARD = /\.(tar|tgz|tar\.\w+)$/i;

/** What a data set's folder holds for each split: paths relative to it, "" for itself. */
export interface SplitFolders {
  readonly train: string;
  readonly validation: string | undefined;
  /** test/ beside val/. */
  readonly test: string | undefined;
  /** For people: "train/ and val/", empty where the folder has no split. */
  readonly words: string;
}

/**
 * Whether a folder has train/ and val/ (valid/, validation/, or, where there is none of them, test/) or train/ alone, and test/ beside
 * them. What else lies in such a folder is added to `others`.
 */
export function splitFolders(folder: string, others: OtherFiles): SplitFolders {
  const entries = entriesOf(folder);
  const folders = entries.filter((entry) => isFolder(folder, entry)).map(({ name }) => name);
  const { train, validation, test } = splitsAmong(folders);
  // Among other folders, a lone "train" is a class: pictures of trains.
  if (train === undefined || (validation === undefined && (folders.length > 1 || holdsPictures(join(folder, train))))) {
    return { train: "", validation: undefined, test: undefined, words: "" };
  }
  for (const { name } of entries) {
    if (name === "classes.txt") continue; // names the classes of tar files
    if (![train, validation, test].includes(name)) addOther(others, folders.includes(name) ? `${name}/` : name);
  }
  return { train, validation, test, words: validation === undefined ? `${train}/` : `${train}/ and ${validation}/` };
}

/** Whether this names tar files: "photos.tar", "shards-{000..012}.tar". */
export function isShards(name: string): boolean {
  return SHARD.test(name);
}

/** The tar files in a folder, in natural order. */
export function shardsIn(folder: string): string[] {
  return namesIn(folder).filter((name) => isShards(name) && !isLeftover(name));
}

/** Whether what a folder has for training is tar files, and not folders of pictures. */
export function holdsShards(folder: string): boolean {
  const root = resolve(folder);
  const { train } = splitFolders(root, { count: 0, examples: [] });
  return shardsIn(join(root, train)).length > 0;
}

/** What is in a folder in torchvision's order, without what is hidden or left there by a system. */
export function entriesOf(folder: string): Dirent[] {
  return listing(folder, () => readdirSync(folder, { withFileTypes: true }))
    .filter(({ name }) => !isLeftover(name))
    .sort((a, b) => byCodePoint(a.name, b.name));
}

function holdsPictures(folder: string): boolean {
  return entriesOf(folder).some(({ name }) => PICTURE_NAME.test(name));
}
