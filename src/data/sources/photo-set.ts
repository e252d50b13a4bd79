import { opendirSync } from "node:fs";
import { join, resolve } from "node:path";
import { InputError } from "../../base/errors.js";
import { lookAt } from "./read-files.js";
import { isCsv, listPhotoCsv } from "./photo-csv.js";
import { listPhotoFolder, splitFolders } from "./photo-folder.js";
import type { ListedPhotos, OtherFiles } from "./photo-listing.js";
import type { PhotoLocations } from "./photo-locations.js";
import { PICTURE_NAME } from "../pictures/picture.js";
import { stratifiedSplit } from "../sampling/stratified-split.js";
import { isShards, listShardFolder, listShards, shardsIn } from "./webdataset.js";

/** One split of a set of photographs: where they are and what they show. Nothing of them is in memory. */
export interface PhotoSet {
  readonly kind: "photos";
  /** For people: "flower_photos train". */
  readonly name: string;
  readonly count: number;
  /** [count] class indices, on a SharedArrayBuffer. */
  readonly labels: Int32Array;
  /** Class names; the label is the index. */
  readonly classes: readonly string[];
  readonly locations: PhotoLocations;
}

/** A set of photographs: what to train on and what to measure on. */
export interface PhotoSource {
  readonly kind: "photos";
  readonly train: PhotoSet;
  readonly validation: PhotoSet;
  /** One line for people: what it is, how much, from where. */
  readonly description: string;
  /** How validation pictures were chosen: by the source itself, or held out of each class. */
  readonly split: "given" | PhotoSplit;
  /** What else lies among the pictures. */
  readonly otherFiles: OtherFiles;
}

export interface PhotoSplit {
  /** The share of each class that is held out. */
  readonly fraction: number;
  readonly seed: number;
}

/** Whether this is what `openPhotos` opens: a .csv or .tar file, "shards-{000..012}.tar", or a folder of pictures or tar files. */
export function isPhotoSource(spec: string): boolean {
  if (isCsv(spec) || isShards(spec)) return true;
  return lookAt(spec)?.isDirectory() === true && holdsPhotographs(spec, 3);
}

/**
 * Lists a set of photographs:
 *
 * - FOLDER/CLASS/picture.jpg, or FOLDER/{train,val}/CLASS/picture.jpg;
 * - TABLE.csv of path,label or path,label,split;
 * - WebDataset tar files: one, "shards-{000..012}.tar", or a folder of them, with or without train/ and val/.
 *
 * Where the source has no split of its own, `split` holds some pictures of each class out for validation.
 *
 * @throws InputError where it is none of these, or holds no pictures for training or none for validation
 */
export function openPhotos(spec: string, split: PhotoSplit = { fraction: 0.2, seed: 0 }): PhotoSource {
  if (!(split.fraction > 0 && split.fraction < 1)) {
    throw new InputError(`the share of validation pictures must be between 0 and 1, not ${split.fraction}`);
  }
  const listed = listPhotos(spec);
  const { name, classes, from, otherFiles } = listed;
  if (classes.length < 2) {
    throw new InputError(`${from} holds ${classes.length} class${classes.length === 1 ? "" : "es"}: two are needed`);
  }
  const given = listed.validation !== undefined;
  const chosen = given ? undefined : stratifiedSplit(listed.train, split.fraction, split.seed);
  const set = (role: "train" | "validation", listing = listed.train): PhotoSet => {
    const { locations, labels } = listing.select(chosen?.[role]);
    if (labels.length === 0) throw new InputError(`${from} holds no pictures for ${role}`);
    return { kind: "photos", name: `${name} ${role}`, count: labels.length, labels, classes, locations };
  };
  const [train, validation] = [set("train"), set("validation", listed.validation)];
  const percent = `${Math.round(100 * split.fraction)} %`;
  const held = given ? "" : `; ${percent} of each class held out for validation, seed ${split.seed}`;
  const description =
    `${name}: ${train.count.toLocaleString("en")} training and ${validation.count.toLocaleString("en")} validation ` +
    `photographs, ${classes.length} classes, from ${from}${held}`;
  return { kind: "photos", train, validation, description, split: given ? "given" : split, otherFiles };
}

function listPhotos(spec: string): ListedPhotos {
  const found = lookAt(spec);
  if (isShards(spec) && !found?.isDirectory()) return listShards(spec);
  if (found === undefined) throw new InputError(`there is no ${JSON.stringify(spec)}`);
  if (!found.isDirectory()) {
    if (isCsv(spec)) return listPhotoCsv(spec);
    throw new InputError(`${JSON.stringify(spec)} is neither a folder, nor a .csv file, nor a .tar file`);
  }
  const root = resolve(spec);
  const others: OtherFiles = { count: 0, examples: [] };
  const splits = splitFolders(root, others);
  const list = shardsIn(join(root, splits.train)).length > 0 ? listShardFolder : listPhotoFolder;
  return list(root, splits, others);
}

/** Whether there are pictures or tar files in a folder or its subfolders (CLASS/x.jpg, train/CLASS/x.jpg). */
function holdsPhotographs(folder: string, depth: number): boolean {
  const folders: string[] = [];
  // Entry by entry, because the first picture of a million tells.
  const entries = opendirSync(folder);
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      if (entry.name.startsWith(".")) continue;
      if (PICTURE_NAME.test(entry.name) || isShards(entry.name)) return true;
      if (lookAt(join(folder, entry.name))?.isDirectory()) folders.push(join(folder, entry.name));
    }
  } finally {
    entries.closeSync();
  }
  return depth > 1 && folders.some((inside) => holdsPhotographs(inside, depth - 1));
}
