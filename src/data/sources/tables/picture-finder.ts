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
 * the ending's case. Paths of another machine or folder are found by their ends: what stands before and what here are the same for all.
 */
export class PictureFinder {
  readonly #listings = new Map<string, Listing>();
  #below: ReadonlyMap<string, readonly string[]> | undefined;

  /** How foreign paths begin, and the folder here that this stands for. */
  readonly #foreign = new Map<string, string>();

  constructor(readonly root: string) {}

  find(text: string): Found {
    if (text === "" || text.includes("\0")) return undefined;
    const slashed = text.replaceAll("\\", "/");
    return this.#where(text) ?? (slashed === text ? undefined : this.#where(slashed)) ?? this.#byEnd(slashed);
  }

  /** The picture whose path shares the most folders with a foreign one, from the name on. */
  #byEnd(text: string): Found {
    const path = posix.normalize(text);
    if (!path.includes("/")) return undefined;
    for (const [before, here] of this.#foreign) {
      if (path.startsWith(before)) return this.#where(posix.join(here, path.slice(before.length)));
    }
    this.#below ??= byStem(filesBelow(this.root));
    const name = posix.basename(path);
    const files = sameEnding(name, this.#below.get(pictureStem(name)) ?? []);
    const shared = files.map((file) => sharedEnd(path, file));
    const most = Math.max(0, ...shared);
    const nearest = files.filter((_, i) => shared[i] === most);
    const [file] = nearest;
    if (nearest.length > 1 || file === undefined) return oneOf(nearest);
    this.#foreign.set(withoutEnd(path, most), withoutEnd(file, most));
    return { picture: file };
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

/** How many folders two paths have in common from the end on, the name counted without its ending. */
function sharedEnd(a: string, b: string): number {
  const [ends, others] = [a, b].map((path) => pictureStem(path).split("/").reverse()) as [string[], string[]];
  const differs = ends.findIndex((end, i) => end !== others[i]);
  return differs < 0 ? ends.length : differs;
}

/** What stands before the last parts of a path, with its slash. */
function withoutEnd(path: string, parts: number): string {
  const before = path.split("/").slice(0, -parts).join("/");
  return path.split("/").length > parts ? `${before}/` : "";
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
