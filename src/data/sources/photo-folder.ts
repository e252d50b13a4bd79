import { statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { className } from "../../base/class-name.js";
import { InputError } from "../../base/errors.js";
import { formatOfOther } from "../pictures/file-format.js";
import { addOther, type OtherFiles } from "../photos/other-files.js";
import { PICTURE_NAME } from "../pictures/picture-name.js";
import { byCodePoint } from "./photos/code-point-order.js";
import { isLeftover } from "./photos/leftovers.js";
import { MaskCount } from "./photos/masks.js";
import { requireClasses } from "./photos/layout.js";
import { type ListedPhotos, PhotoListing } from "./photos/photo-listing.js";
import { photoSource } from "./photos/photo-source.js";
import { entriesOf, holdsShards, isShards, splitFolders } from "./photos/split-folders.js";
import { partCalled } from "./photos/split-names.js";
import { isFolder, listing, openFolder } from "./read-files.js";
import type { PhotoFormat } from "./source.js";

export const photoFolder: PhotoFormat = {
  name: "photo-folder",
  words: "a folder of photographs (CLASS/picture.jpg or train/CLASS/picture.jpg)",
  recognises: ({ spec, isFolder }) => isFolder && holdsPhotographs(spec, 6) && !holdsShards(spec),
  open: ({ spec }, options) => photoSource(listPhotoFolder(resolve(spec), options.whole), options),
};

/**
 * Lists FOLDER/CLASS/… or FOLDER/{train,val}/CLASS/…: classes are the first folders, their indices and the order of the pictures
 * torchvision's ImageFolder's; folders whose names differ only in how an accent is written are one class. Pictures in folders inside a class belong to it; what begins with a dot is not there. Links are
 * followed, but for those back to a folder they are in.
 *
 * @param whole whether classes may be empty
 * @throws InputError where there are no class folders, one without pictures, or one for validation only
 */
function listPhotoFolder(root: string, whole = false): ListedPhotos {
  const otherFiles: OtherFiles = { count: 0, examples: [] };
  const splits = splitFolders(root, otherFiles);
  const folders = classFolders(root, splits.train, otherFiles);
  const classes = [...new Set(folders.map(className))];
  if (classes.length === 0) {
    throw new InputError(
      `${root} holds no folders of pictures: expected are CLASS/picture.jpg or train/CLASS/picture.jpg in it; ` +
        "to classify pictures without classes, use knack predict",
    );
  }
  const odd = requireClasses(join(root, splits.train), folders);
  const masks = new MaskCount();
  const list = (split: string, inside: readonly string[]) => {
    const listing = new PhotoListing(root, "folders");
    for (const name of inside)
      listClass(listing, join(split, name), classes.indexOf(className(name)), otherFiles, masks);
    return listing;
  };
  /** Competitions give theirs without classes: it is left alone then. */
  const testOf = (split: string | undefined) => {
    if (split === undefined) return undefined;
    const others: OtherFiles = { count: 0, examples: [] };
    const inside = classFolders(root, split, others);
    if (inside.length > 0 && inside.every((name) => classes.includes(className(name)))) return list(split, inside);
    addOther(otherFiles, `${split}/`);
    return undefined;
  };
  const train = list(splits.train, folders);
  const counts = new Uint32Array(classes.length);
  for (let i = 0; i < train.count; i++) counts[train.label(i)] = (counts[train.label(i)] as number) + 1;
  const empty = counts.indexOf(0);
  if (empty >= 0 && !whole) {
    const path = JSON.stringify(join(splits.train, classes[empty] as string));
    throw new InputError(`the class folder ${path} in ${root} holds no pictures: add some or remove it`);
  }
  const notes = () => [...odd, ...masks.notes(classes)];
  const test = testOf(splits.test);
  const common = {
    name: basename(root),
    classes,
    test,
    from: splits.words ? `${root} (${splits.words})` : root,
    otherFiles,
  };
  if (splits.validation === undefined) return { ...common, train, notes: notes() };

  const validated = classFolders(root, splits.validation, otherFiles);
  const unknown = validated.find((name) => !classes.includes(className(name)));
  // As competitions give theirs: test/0.jpg, or test/unknown/0.jpg.
  const unlabelled = validated.length === 1 && unknown !== undefined && isTest(splits.validation);
  if (validated.length === 0 || unlabelled) {
    return { ...common, train, notes: [...notes(), `${splits.validation}/ has no classes and is left out`] };
  }
  if (unknown !== undefined) {
    const path = JSON.stringify(join(splits.validation, unknown));
    throw new InputError(`${path} in ${root} is a class that ${splits.train}/ does not have`);
  }
  const validation = list(splits.validation, validated);
  return { ...common, train, validation, validationIsTest: isTest(splits.validation), notes: notes() };
}

function isTest(split: string): boolean {
  return partCalled(split) === "test";
}

/** The class folders in root/split, sorted. */
function classFolders(root: string, split: string, others: OtherFiles): string[] {
  const folder = join(root, split);
  return entriesOf(folder)
    .filter((entry) => {
      if (isFolder(folder, entry)) return true;
      addOther(others, join(split, entry.name));
      return false;
    })
    .map(({ name }) => name);
}

function listClass(listing: PhotoListing, folder: string, label: number, others: OtherFiles, masks: MaskCount): void {
  const root = listing.root;
  const found: { folder: string; pictures: string[] }[] = [];
  const visit = (inside: string, above: ReadonlySet<string>) => {
    const identity = identityOf(join(root, inside));
    if (above.has(identity)) return addOther(others, `${inside}/ (a link back to a folder it is in)`);
    const pictures: string[] = [];
    const path = join(root, inside);
    for (const entry of entriesOf(path)) {
      // Also a folder of that name: who gave it takes it for a picture, and should hear that it is none.
      if (PICTURE_NAME.test(entry.name)) pictures.push(entry.name);
      else if (isFolder(path, entry)) visit(`${inside}/${entry.name}`, new Set([...above, identity]));
      else {
        const format = entry.isFile() ? formatOfOther(join(path, entry.name)) : undefined;
        if (format?.read) pictures.push(entry.name);
        else addOther(others, `${inside}/${entry.name}`, format?.name);
      }
    }
    found.push({ folder: inside, pictures });
  };
  visit(folder, new Set(parentsOf(join(root, folder)).map(identityOf)));
  found.sort((a, b) => byCodePoint(a.folder, b.folder));
  for (const { folder, pictures } of found) {
    masks.look(folder, pictures);
    for (const name of pictures) listing.add(folder, name, label);
  }
}

function parentsOf(path: string): string[] {
  const parent = dirname(resolve(path));
  return parent === path ? [] : [parent, ...parentsOf(parent)];
}

/** The same for all paths to one folder. */
function identityOf(folder: string): string {
  const { dev, ino } = listing(folder, () => statSync(folder));
  return `${dev}:${ino}`;
}

/** Whether there are pictures or tar files in a folder or its subfolders (CLASS/x.jpg, train/CLASS/x.jpg). */
function holdsPhotographs(folder: string, depth: number): boolean {
  const folders: string[] = [];
  // Entry by entry, because the first picture of a million tells.
  const entries = openFolder(folder);
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      if (isLeftover(entry.name)) continue;
      if (PICTURE_NAME.test(entry.name) || isShards(entry.name)) return true;
      if (entry.isFile() && formatOfOther(join(folder, entry.name))?.read) return true;
      if (isFolder(folder, entry)) folders.push(join(folder, entry.name));
    }
  } finally {
    entries.closeSync();
  }
  return depth > 1 && folders.some((inside) => holdsPhotographs(inside, depth - 1));
}
