import { resolve } from "node:path";
import { InputError } from "../../base/errors.js";
import { listed } from "../../settings/schema.js";
import type { PhotoSource } from "../photos/photo-set.js";
import { drawnFromTraining } from "../sampling/drawn-from-training.js";
import { trainOnShare } from "../sampling/training-share.js";
import { type HeldImages, isDrawn, requireSplit, type SplitOptions } from "../split-options.js";
import { PHOTO_SOURCES, SOURCES } from "./index.js";
import { photoFolder } from "./photo-folder.js";
import { type AnySource, type ListOptions, listOptions, type OpenOptions, Place, type SourceFormat } from "./source.js";

/** What `openData` finds from any working directory: a data set's name as it is, a folder or file by its full path. */
export function anywhere(spec: string): string {
  return SOURCES.some(({ name, byName }) => byName && name === spec) ? spec : resolve(spec);
}

/** Whether a path is that of a list of pictures. */
export function isList(spec: string): boolean {
  const place = new Place(spec);
  return SOURCES.find((each) => each.recognises(place))?.isList === true;
}

/** What of a data set is trained on and validated on, where it is not all of the first and the set's own of the second. */
export interface DataSelection extends ListOptions {
  /** CIFAR folders: the training file that is validated on, such as "data_batch_5.bin"; the test files are left alone then. */
  readonly holdOut?: string | undefined;
  /** The share of each class's training images that is trained on, above 0 and at most 1. */
  readonly trainShare?: number | undefined;
  /** How it is divided into training, validation and test. */
  readonly split?: SplitOptions | undefined;
  /** Photographs: what an earlier run held out, in place of a choice by `split`. */
  readonly held?: HeldImages | undefined;
  /** As `OpenOptions.alike`. */
  readonly alike?: OpenOptions["alike"];
}

/**
 * Opens a data set by name ("fashion-mnist"), folder or file; the kind of a folder is told by what is in it. Small images are
 * read into memory; photographs (`kind` is "photos") are only listed.
 * A folder that has the name of a data set is written with a slash: "./fashion-mnist".
 *
 * @throws InputError where the data set is unknown, missing, damaged, or of a kind not understood, or has not what is selected
 */
export function openData(spec: string, selection: DataSelection = {}): AnySource {
  return openAs(SOURCES, spec, selection);
}

/** Whether `openData` would find photographs there, of which nothing is read. */
export function holdsPhotos(spec: string): boolean {
  const place = new Place(spec);
  const format = SOURCES.find((each) => each.recognises(place));
  return PHOTO_SOURCES.some(({ name }) => name === format?.name);
}

/** As `openData`, for a measurement: photographs without a split of their own are all in `validation`, and classes may be empty. */
export function openWhole(spec: string, selection: DataSelection = {}): AnySource {
  return openAs(SOURCES, spec, { ...selection, whole: true });
}

/** As `openData`, of these kinds. */
export function openAs(
  sources: readonly SourceFormat[],
  spec: string,
  { holdOut, trainShare = 1, split = {}, held, alike, ...rest }: DataSelection & Pick<OpenOptions, "whole"> = {},
): AnySource {
  requireSplit(split);
  const list = listOptions(rest);
  if (!(trainShare > 0 && trainShare <= 1)) {
    throw new InputError(`--train-share: must be above 0 and at most 1, not ${trainShare}`);
  }
  const place = new Place(spec);
  const format = sources.find((each) => each.recognises(place));
  if (holdOut !== undefined && format?.holdsOut === undefined) {
    const files = listed(sources.flatMap(({ holdsOut = [] }) => holdsOut));
    throw new InputError(`--hold-out: "${spec}" is no folder of ${files}, and only their files can be held out`);
  }
  if (format === undefined) throw new InputError(`${misfit(place)}: understood are ${understood(sources)}`);
  refuseListOptions(place, format, list);
  if (holdOut !== undefined && isDrawn(split)) {
    throw new InputError("--hold-out: --validation and --folds say already what is validated; drop one");
  }
  if (split.folds !== undefined && split.fold === undefined) {
    throw new InputError(`--fold: which of the ${split.folds} folds is validated on, from 1, is missing`);
  }
  const opened = format.open(place, { holdOut, whole: rest.whole, split, held, alike, ...list });
  const source = "kind" in opened ? opened : drawnFromTraining(opened, split);
  return trainShare < 1 ? trainOnShare(source, trainShare) : source;
}

/** A list is read by options of its own. */
function refuseListOptions({ spec }: Place, { isList }: SourceFormat, options: ListOptions): void {
  const given = Object.entries(options).find(([, value]) => value !== undefined && value !== false);
  if (isList || given === undefined) return;
  const option = given[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new InputError(`--${option}: "${spec}" is no list of pictures (.csv), and only lists need it; drop it`);
}

function misfit({ spec, exists, isFolder }: Place): string {
  if (!exists) return `no data set or folder "${spec}"`;
  return isFolder ? `"${spec}" holds no data set that is understood` : `"${spec}" is a file, not a folder`;
}

function understood(sources: readonly SourceFormat[]): string {
  return new Intl.ListFormat("en", { type: "disjunction" }).format(sources.map(({ words }) => words));
}

/**
 * Lists a set of photographs:
 *
 * - FOLDER/CLASS/picture.jpg, or FOLDER/{train,val}/CLASS/picture.jpg;
 * - TABLE.csv of path,label or path,label,split, read as `list` says;
 * - WebDataset tar files: one, "shards-{000..012}.tar", or a folder of them, with or without train/ and val/.
 *
 * Where the source has no split of its own, some pictures of each class are held out for validation.
 *
 * @throws InputError where it is none of these, or holds no pictures for training or none for validation
 */
export function openPhotos(
  spec: string,
  split: SplitOptions = {},
  { alike, ...list }: ListOptions & Pick<OpenOptions, "alike"> = {},
): PhotoSource {
  requireSplit(split);
  const place = new Place(spec);
  const format = PHOTO_SOURCES.find((each) => each.recognises(place));
  if (format) {
    refuseListOptions(place, format, list);
    return format.open(place, { ...list, split, alike });
  }
  if (!place.exists) throw new InputError(`there is no ${JSON.stringify(spec)}`);
  // A folder without pictures, which says what it lacks.
  if (place.isFolder) return photoFolder.open(place, { split });
  throw new InputError(`${JSON.stringify(spec)} is neither a folder, nor a .csv file, nor a .tar file`);
}
