import { resolve } from "node:path";
import type { Command } from "commander";
import type { DataSelection } from "../../data/sources/open.js";
import type { ListOptions } from "../../data/sources/source.js";
import { InputError } from "../../base/errors.js";

/** The options that `addDataOptions` adds, as commander returns them. */
export interface DataOptions extends ListCommandOptions {
  holdOut?: string;
  trainShare?: string;
}

/** The options that `addListOptions` adds. */
export interface ListCommandOptions {
  images?: string;
  pathColumn?: string;
  labelColumn?: string;
  skipBadRows?: boolean;
}

/** Adds the options that say how a list of pictures, a .csv file, is read. */
export function addListOptions(command: Command): Command {
  return command
    .option("--images <folder>", "lists (.csv): the pictures are in or below this folder (default: the list's own)")
    .option("--path-column <name>", "lists: the column of the pictures, by its name or number")
    .option("--label-column <name>", "lists: the column of the labels, by its name or number")
    .option("--skip-bad-rows", "lists: leave out rows without a picture or label, and say which");
}

/** The folder by its full path: a run remembers it. */
export function listOptionsFrom({ images, pathColumn, labelColumn, skipBadRows }: ListCommandOptions): ListOptions {
  return { images: images && resolve(images), pathColumn, labelColumn, skipBadRows };
}

/** Adds the options that say what of a data set is used. */
export function addDataOptions(command: Command): Command {
  return addListOptions(command)
    .option(
      "--hold-out <file>",
      "CIFAR: validate on this training file, such as data_batch_5.bin, not on the test files",
    )
    .option("--train-share <share>", "train on this share of each class's images, such as 0.25");
}

/** @throws InputError where the share is no number; what it may be, and which files there are, the data says. */
export function selectionFrom({ holdOut, trainShare, ...list }: DataOptions): DataSelection {
  const share = trainShare === undefined ? undefined : Number(trainShare);
  if (share !== undefined && !(share > 0 && share <= 1)) {
    throw new InputError(`--train-share: must be a number above 0 and at most 1, not "${trainShare}"`);
  }
  return { holdOut, trainShare: share, ...listOptionsFrom(list) };
}
