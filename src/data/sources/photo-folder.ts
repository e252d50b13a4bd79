import { type Dirent, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { systemReason } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { byCodePoint } from "./code-point-order.js";
import { addOther, type ListedPhotos, type OtherFiles, PhotoListing } from "./photo-listing.js";
import { PICTURE_NAME } from "../pictures/picture.js";
import { splitsAmong } from "./split-names.js";

/** What a data set's folder holds for each split: paths relative to it, "" for itself. */
export interface SplitFolders {
  readonly train: string;
  readonly validation: string | undefined;
  /** For people: "train/ and val/", empty where the folder has no split. */
  readonly words: string;
}

/**
 * Whether a folder has train/ and val/ (valid/, validation/, or, where there is none of them, test/) or train/ alone. What else
 * lies in such a folder is added to `others`.
 */
export function splitFolders(folder: string, others: OtherFiles): SplitFolders {
  const entries = entriesOf(folder);
  const folders = entries.filter((entry) => isFolder(folder, entry)).map(({ name }) => name);
  const { train, validation } = splitsAmong(folders);
  // Among other folders, a lone "train" is a class: pictures of trains.
  if (train === undefined || (validation === undefined && (folders.length > 1 || holdsPictures(join(folder, train))))) {
    return { train: "", validation: undefined, words: "" };
  }
  for (const { name } of entries) {
    if (name === "classes.txt") continue; // names the classes of tar files
    if (name !== train && name !== validation) addOther(others, folders.includes(name) ? `${name}/` : name);
  }
  return { train, validation, words: validation === undefined ? `${train}/` : `${train}/ and ${validation}/` };
}

/**
 * Lists FOLDER/CLASS/… or FOLDER/{train,val}/CLASS/…: classes are the first folders, their indices and the order of the pictures
 * torchvision's ImageFolder's. Pictures in folders inside a class belong to it; what begins with a dot is not there. Links are
 * followed, but for those back to a folder they are in.
 *
 * @throws InputError where there are no class folders, one without pictures, or one for validation only
 */
export function listPhotoFolder(root: string, splits: SplitFolders, otherFiles: OtherFiles): ListedPhotos {
  const classes = classFolders(root, splits.train, otherFiles);
  if (classes.length === 0) {
    throw new InputError(
      `${root} holds no folders of pictures: expected are CLASS/picture.jpg or train/CLASS/picture.jpg in it`,
    );
  }
  const list = (split: string, labels: readonly string[]) => {
    const listing = new PhotoListing(root, "folders");
    for (const name of labels) listClass(listing, join(split, name), classes.indexOf(name), otherFiles);
    return listing;
  };
  const train = list(splits.train, classes);
  const counts = new Uint32Array(classes.length);
  for (let i = 0; i < train.count; i++) counts[train.label(i)] = (counts[train.label(i)] as number) + 1;
  const empty = counts.indexOf(0);
  if (empty >= 0) {
    const path = JSON.stringify(join(splits.train, classes[empty] as string));
    throw new InputError(`the class folder ${path} in ${root} holds no pictures: add some or remove it`);
  }
  const common = { name: basename(root), classes, from: splits.words ? `${root} (${splits.words})` : root, otherFiles };
  if (splits.validation === undefined) return { ...common, train };

  const validated = classFolders(root, splits.validation, otherFiles);
  const unknown = validated.find((name) => !classes.includes(name));
  if (unknown !== undefined) {
    const path = JSON.stringify(join(splits.validation, unknown));
    throw new InputError(`${path} in ${root} is a class that ${splits.train}/ does not have`);
  }
  return { ...common, train, validation: list(splits.validation, validated) };
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

function listClass(listing: PhotoListing, folder: string, label: number, others: OtherFiles): void {
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
      else addOther(others, `${inside}/${entry.name}`);
    }
    found.push({ folder: inside, pictures });
  };
  visit(folder, new Set(parentsOf(join(root, folder)).map(identityOf)));
  found.sort((a, b) => byCodePoint(a.folder, b.folder));
  for (const { folder, pictures } of found) for (const name of pictures) listing.add(folder, name, label);
}

/** What is in a folder in torchvision's order, without what is hidden. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith("."))
      .sort((a, b) => byCodePoint(a.name, b.name));
  } catch (error) {
    throw new InputError(`cannot list the folder ${JSON.stringify(folder)}: ${systemReason(error)}`, error);
  }
}

/** Whether it is a folder or a link to one; a link that leads nowhere is none. */
function isFolder(parent: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return statSync(join(parent, entry.name)).isDirectory();
  } catch {
    return false;
  }
}

function holdsPictures(folder: string): boolean {
  return entriesOf(folder).some(({ name }) => PICTURE_NAME.test(name));
}

function parentsOf(path: string): string[] {
  const parent = dirname(resolve(path));
  return parent === path ? [] : [parent, ...parentsOf(parent)];
}

/** The same for all paths to one folder. */
function identityOf(folder: string): string {
  const { dev, ino } = statSync(folder);
  return `${dev}:${ino}`;
}
