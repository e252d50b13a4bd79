import { basename, dirname, join, posix, resolve } from "node:path";
import { className } from "../../base/class-name.js";
import { InputError } from "../../base/errors.js";
import { addOther, type OtherFiles } from "../photos/other-files.js";
import { PICTURE_NAME } from "../pictures/picture-name.js";
import { type ListedPhotos, PhotoListing } from "./photos/photo-listing.js";
import { photoSource } from "./photos/photo-source.js";
import { holdsShards, isShards, shardsIn, splitFolders } from "./photos/split-folders.js";
import { isSplitName, partCalled, splitsAmong } from "./photos/split-names.js";
import { type TarEnd, type TarMember, tarMembers } from "./photos/tar-members.js";
import { lookAt, readDataFile } from "./read-files.js";
import type { PhotoFormat } from "./source.js";
import { isMissing, sortedClasses } from "./tables/class-labels.js";

export const webdataset: PhotoFormat = {
  name: "webdataset",
  words: 'WebDataset tar files ("shards-{000..012}.tar")',
  recognises: ({ spec, isFolder }) => (isFolder ? holdsShards(spec) : isShards(spec)),
  open: ({ spec, isFolder }, options) => photoSource((isFolder ? listShardFolder : listShards)(resolve(spec)), options),
};

/** Lists the pictures of "photos.tar" or "shards-{000..012}.tar". */
function listShards(spec: string): ListedPhotos {
  const root = dirname(spec);
  const shards = expandBraces(basename(spec));
  const missing = shards.find((shard) => lookAt(join(root, shard)) === undefined);
  if (missing !== undefined) throw new InputError(`there is no shard ${JSON.stringify(join(root, missing))}`);
  const name = basename(spec).replace(/[-_.]?(\{.*\})?\.tar$/i, "");
  return list(root, { name, from: spec }, splitByName(shards), { count: 0, examples: [] });
}

/** Lists the pictures of a folder of tar files, or of its split's folders. */
function listShardFolder(root: string): ListedPhotos {
  const others: OtherFiles = { count: 0, examples: [] };
  const splits = splitFolders(root, others);
  if (splits.test !== undefined) addOther(others, `${splits.test}/`);
  const inside = (split: string) => shardsIn(join(root, split)).map((shard) => join(split, shard));
  const shards =
    splits.validation === undefined
      ? splitByName(inside(splits.train))
      : { train: inside(splits.train), validation: inside(splits.validation), isTest: isTest(splits.validation) };
  const from = splits.words ? `${root} (${splits.words})` : root;
  return list(root, { name: basename(root), from }, shards, others);
}

interface Shards {
  readonly train: readonly string[];
  readonly validation?: readonly string[] | undefined;
  /** Whether `validation` is called a test. */
  readonly isTest?: boolean;
}

function isTest(split: string): boolean {
  return partCalled(split) === "test";
}

/** Shards are often called "imagenet-train-0001.tar" and "imagenet-val-0001.tar". */
function splitByName(shards: readonly string[]): Shards {
  const { train, validation } = splitsAmong([...new Set(shards.map((shard) => splitOf(shard) ?? ""))]);
  if (train === undefined || validation === undefined) return { train: shards };
  const of = (split: string) => shards.filter((shard) => splitOf(shard) === split);
  return { train: of(train), validation: of(validation), isTest: isTest(validation) };
}

function splitOf(shard: string): string | undefined {
  return basename(shard)
    .split(/[^a-z]+/i)
    .find(isSplitName);
}

/**
 * Finds the pictures in the shards by their headers. Members of one key (the name up to its first dot) belong together: KEY.jpg
 * has its class in KEY.cls, or as "label" in KEY.json. Labels are names of classes.txt, one a line, beside the shards or in the root, or
 * integers, the indices of the classes there; without it they are class names, sorted by code point.
 *
 * @throws InputError where a picture has no label, or one that classes.txt does not have
 */
function list(
  root: string,
  { name, from }: { name: string; from: string },
  shards: Shards,
  otherFiles: OtherFiles,
): ListedPhotos {
  const labels = new Map<string, number>();
  const unmarked: string[] = [];
  const listing = (files: readonly string[]) => {
    const pictures = new PhotoListing(root, "tar files");
    for (const shard of files) {
      if (listShard(pictures, shard, labels, otherFiles) === "unmarked") unmarked.push(shard);
    }
    return pictures;
  };
  const train = listing(shards.train);
  const validation = shards.validation && listing(shards.validation);
  if (train.count === 0) {
    const [other] = otherFiles.examples;
    const others = other === undefined ? "" : `; it has ${otherFiles.count} other files, as ${JSON.stringify(other)}`;
    throw new InputError(`${from} holds no pictures: expected are KEY.jpg and KEY.cls${others}`);
  }
  const names = [...labels.keys()];
  const named = namedClasses(root, shards.train[0] as string);
  const classes = named ?? numberedClasses(names) ?? sortedClasses(names);
  const numbers = new Map(classes.map((name, index) => [name, index]));
  const byName = names.every((label) => numbers.has(label));
  const indices = names.map((label) => (!byName && isIndex(label) ? Number(label) : (numbers.get(label) ?? -1)));
  const wrong = names.find((_, i) => classes[indices[i] as number] === undefined);
  if (wrong !== undefined) {
    throw new InputError(
      `${from}: the label ${JSON.stringify(wrong)} is none of the ${classes.length} classes of classes.txt, neither by name nor, from 0 on, by number`,
    );
  }
  for (const pictures of [train, validation]) pictures?.relabel((label) => indices[label] as number);
  const notes = [...splitNotes(shards), ...endNotes(unmarked)];
  return { name, classes, train, validation, validationIsTest: shards.isTest, from, otherFiles, notes };
}

/** What is trained on, though it is called like another split. */
function splitNotes({ train, validation }: Shards): string[] {
  const others = validation === undefined && train.some((shard) => splitOf(shard) !== undefined);
  const odd = others ? train.find((shard) => splitOf(shard) === undefined) : undefined;
  return odd === undefined
    ? []
    : [`${JSON.stringify(odd)} is trained on as well: if it is for validation, call it …-val-…`];
}

/** Most writers mark the end; where it is missing, a file may have been cut off between two pictures. */
function endNotes(unmarked: readonly string[]): string[] {
  if (unmarked.length === 0) return [];
  const what = unmarked.length === 1 ? "has" : `and ${unmarked.length - 1} more have`;
  return [`${JSON.stringify(unmarked[0])} ${what} no end mark, and may be cut off`];
}

function listShard(pictures: PhotoListing, shard: string, labels: Map<string, number>, others: OtherFiles): TarEnd {
  let key: string | undefined;
  let picture: TarMember | undefined;
  let label: string | undefined;
  let companion: string | undefined;
  const finish = (end?: TarEnd) => {
    if (picture === undefined) {
      if (companion === undefined) return;
      throw new InputError(
        `the picture ${JSON.stringify(`${shard}/${companion}`)} is none by its name: keys end at the first dot, and it has several; ` +
          "write the shards with keys without dots",
      );
    }
    if (label === undefined) {
      const name = JSON.stringify(`${shard}/${picture.name}`);
      if (end === "unmarked")
        throw new InputError(
          `${JSON.stringify(shard)} is cut off: its last picture, ${name}, has no class, and no end follows`,
        );
      throw new InputError(`the picture ${name} has no class: expected is a .cls, or a .json with "label", beside it`);
    }
    if (isMissing(label)) {
      const name = JSON.stringify(`${shard}/${picture.name}`);
      throw new InputError(`the picture ${name} has no class: its label is ${JSON.stringify(label)}`);
    }
    const name = className(label);
    const number = labels.get(name) ?? labels.size;
    labels.set(name, number);
    pictures.add(shard, picture.name, number, picture);
  };
  const members = tarMembers(join(pictures.root, shard));
  let next = members.next();
  for (; !next.done; next = members.next()) {
    const member = next.value;
    const file = posix.basename(member.name);
    if (file.startsWith(".")) continue;
    const ending = file.includes(".") ? file.slice(file.indexOf(".")) : "";
    const memberKey = member.name.slice(0, member.name.length - ending.length);
    if (memberKey !== key) {
      finish();
      [key, picture, label, companion] = [memberKey, undefined, undefined, undefined];
    }
    // Of "KEY.seg.png" the ending is ".seg.png": not the picture itself.
    if (ending.lastIndexOf(".") === 0 && PICTURE_NAME.test(ending) && picture === undefined) picture = member;
    else if (/^\.cls$/i.test(ending)) label = member.text().trim();
    else if (/^\.json$/i.test(ending)) label ??= labelIn(member, shard);
    else {
      if (PICTURE_NAME.test(ending)) companion ??= member.name;
      addOther(others, `${shard}/${member.name}`);
    }
  }
  finish(next.value);
  return next.value;
}

function labelIn(json: TarMember, shard: string): string | undefined {
  try {
    const label: unknown = JSON.parse(json.text())?.label;
    return typeof label === "string" || typeof label === "number" ? String(label) : undefined;
  } catch (error) {
    throw new InputError(`${JSON.stringify(`${shard}/${json.name}`)} is no JSON: ${(error as Error).message}`, error);
  }
}

/** The names in classes.txt, where it is there. */
function namedClasses(root: string, shard: string): string[] | undefined {
  const file = [dirname(join(root, shard)), root].map((folder) => join(folder, "classes.txt")).find(lookAt);
  if (file === undefined) return undefined;
  const names = readDataFile(file)
    .toString()
    .split(/\r?\n/)
    .map((line) => className(line.trim()))
    .filter((line) => line !== "");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InputError(`${file} names the class ${JSON.stringify(twice)} twice`);
  return names;
}

/** Labels that are the classes' indices: whole numbers from 0 on with few gaps. Others, as 1001 and 1008, are names. */
function numberedClasses(labels: readonly string[]): string[] | undefined {
  if (!labels.every(isIndex)) return undefined;
  const highest = labels.reduce((most, label) => Math.max(most, Number(label)), -1);
  if (highest >= 2 * labels.length) return undefined;
  return Array.from({ length: highest + 1 }, (_, index) => String(index));
}

function isIndex(label: string): boolean {
  return /^\d{1,6}$/.test(label);
}

/** "a-{08..11}.tar" -> a-08.tar, a-09.tar, a-10.tar, a-11.tar, as a shell does. */
function expandBraces(pattern: string): string[] {
  const [all, first, last] = /\{(\d+)\.\.(\d+)\}/.exec(pattern) ?? [];
  if (all === undefined || first === undefined || last === undefined) return [pattern];
  const numbers = Array.from({ length: Math.max(0, Number(last) - Number(first) + 1) }, (_, i) => Number(first) + i);
  return numbers.flatMap((n) => expandBraces(pattern.replace(all, String(n).padStart(first.length, "0"))));
}
