import { type Dirent, readdirSync } from "node:fs";
import { extname, join, posix, resolve } from "node:path";
import { refuseLack } from "../../../base/lack.js";
import { pictureStem } from "../../pictures/picture-name.js";
import { isLeftover } from "../photos/leftovers.js";

/** What a text names: one picture, several, or none. Paths are relative to the finder's root, or absolute as the text was. */
export type Found = { readonly picture: string } | { readonly several: readonly string[] } | undefined;

/** A list beside so many files is not a list of them: somebody's home was given. */
const MOST_FILES = 5_000_000;

/** A folder's files, by their names and, when that is first asked for, by their names without ending. */
interface Listing {
  readonly names: ReadonlySet<string>;
  stems?: ReadonlyMap<string, readonly string[]>;
}

/**
 * Finds the pictures that a list names, below a folder: by path or by name alone, with either slash, with or without ending, whatever
 * the ending's case.
 */
export class PictureFinder {
  readonly #listings = new Map<string, Listing>();
  #below: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(readonly root: string) {}

  find(text: string): Found {
    if (text === "" || text.includes("\0")) return undefined;
    return this.#where(text) ?? (text.includes("\\") ? this.#where(text.replaceAll("\\", "/")) : undefined);
  }

  #where(text: string): Found {
    const path = posix.normalize(text);
    const [folder, name] = [posix.dirname(path), posix.basename(path)];
    const listing = this.#listing(folder);
    if (listing.names.has(name)) return { picture: path };
    listing.stems ??= byStem(listing.names);
    const beside = sameEnding(name, listing.stems.get(pictureStem(name)) ?? []);
    if (beside.length > 0) return oneOf(beside.map((each) => posix.join(folder, each)));
    if (posix.isAbsolute(path) || path.startsWith("..")) return undefined;
    this.#below ??= byStem(filesBelow(this.root));
    const end = `/${pictureStem(path)}`;
    const below = sameEnding(name, this.#below.get(pictureStem(name)) ?? []);
    return oneOf(below.filter((each) => `/${pictureStem(each)}`.endsWith(end)));
  }

  #listing(folder: string): Listing {
    const known = this.#listings.get(folder);
    if (known) return known;
    const entries = entriesIn(resolve(this.root, folder));
    const listing = { names: new Set(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)) };
    this.#listings.set(folder, listing);
    return listing;
  }
}

function oneOf(pictures: readonly string[]): Found {
  const [picture] = pictures;
  if (picture === undefined) return undefined;
  return pictures.length === 1 ? { picture } : { several: pictures };
}

/** Of files that have the stem of a name those that may be meant: with its ending, in any case, where it has one. */
function sameEnding(name: string, files: readonly string[]): readonly string[] {
  const wanted = pictureStem(name) === name.normalize("NFC") ? "" : extname(name).toLowerCase();
  return wanted === "" ? files : files.filter((file) => extname(file).toLowerCase() === wanted);
}

/** The pictures among paths, by their names without folder and ending. */
function byStem(paths: Iterable<string>): Map<string, string[]> {
  const stems = new Map<string, string[]>();
  for (const path of paths) {
    const name = posix.basename(path);
    const stem = pictureStem(name);
    if (stem === name.normalize("NFC")) continue; // no picture's name
    const same = stems.get(stem);
    if (same) same.push(path);
    else stems.set(stem, [path]);
  }
  return stems;
}

/** All files below a folder, folder by folder; links to folders are not followed. */
function filesBelow(root: string): string[] {
  const files: string[] = [];
  const folders = [""];
  for (const folder of folders) {
    for (const entry of entriesIn(join(root, folder))) {
      if (isLeftover(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else files.push(path);
    }
    if (files.length > MOST_FILES) return [];
  }
  return files.sort();
}

/** Nothing where a folder cannot be listed: then no picture is found in it, which is said. */
function entriesIn(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    refuseLack(error);
    return [];
  }
}
