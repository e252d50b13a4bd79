import { resolve } from "node:path";
import type { Command } from "commander";
import type { DataSelection } from "../../data/sources/open.js";
import type { ListOptions } from "../../data/sources/source.js";
import { requireSplit, type SplitOptions } from "../../data/split-options.js";
import { excludedBy } from "../../data/sources/tables/excluded-file.js";
import { InputError } from "../../base/errors.js";
import { share } from "./share.js";
import { wholeNumber } from "./whole-number.js";

/** The options that `addDataOptions` adds, as commander returns them. */
export interface DataOptions extends ListCommandOptions {
  holdOut?: string;
  trainShare?: string;
  validation?: string;
  split?: string;
  group?: string;
  duplicatesApart?: boolean;
  exclude?: string;
  folds?: string;
  fold?: string;
  splitSeed?: string;
}

/** The options that `addListOptions` adds. */
export interface ListCommandOptions {
  images?: string;
  pathColumn?: string;
  labelColumn?: string;
  skipBadRows?: boolean;
  multiLabel?: boolean;
}

/** Adds the options that say how a list of pictures, a .csv file, is read. */
export function addListOptions(command: Command): Command {
  return command
    .option("--images <folder>", "lists (.csv): the pictures are in or below this folder (default: the list's own)")
    .option("--path-column <name>", "lists: the column of the pictures, by its name or number")
    .option("--label-column <name>", "lists: the column of the labels, by its name or number")
    .option("--skip-bad-rows", "lists: leave out rows without a picture or label, and say which")
    .option(
      "--multi-label",
      "lists: a picture has any number of labels, in columns of 0 and 1 or in one as 'cat|dog'; empty is none",
    );
}

/** The folder by its full path: a run remembers it. */
export function listOptionsFrom({
  images,
  pathColumn,
  labelColumn,
  skipBadRows,
  multiLabel,
}: ListCommandOptions): ListOptions {
  return { images: images && resolve(images), pathColumn, labelColumn, skipBadRows, multiLabel };
}

/** Adds the options that say what of a data set is used. */
export function addDataOptions(command: Command): Command {
  return addListOptions(command)
    .option(
      "--hold-out <file>",
      "CIFAR: validate on this training file, such as data_batch_5.bin, not on the test files",
    )
    .option(
      "--validation <share>",
      "hold out this share of each class, such as 0.1 or 10% (default: the data's own, or 20%)",
    )
    .option("--split <file>", "a .csv of path,part, where a part is train, val or test: what is for what")
    .option(
      "--folds <count>",
      "divide into so many equal parts; each is validated on once (knack train), or one is: --fold",
    )
    .option("--fold <number>", "with --folds: validate on this one, from 1")
    .option(
      "--group <column>",
      "keep pictures of one group in one part: a list's column, or a pattern of paths as '^[^/]*/(.*)_'",
    )
    .option("--duplicates-apart", "let photographs that look alike be in different parts")
    .option("--exclude <file>", "leave out the pictures it lists, such as the suspects.csv of knack suspects")
    .option("--split-seed <number>", "another choice of what is held out (default: 0)")
    .option("--train-share <share>", "train on this share of each class's images, such as 0.25");
}

/** @throws InputError where a number is none; what it may be, and which files there are, the data says. */
export function selectionFrom({ holdOut, trainShare, ...rest }: DataOptions): DataSelection {
  const trained = trainShare === undefined ? undefined : Number(trainShare);
  if (trained !== undefined && !(trained > 0 && trained <= 1)) {
    throw new InputError(`--train-share: must be a number above 0 and at most 1, not "${trainShare}"`);
  }
  return { holdOut, trainShare: trained, split: splitFrom(rest), ...listOptionsFrom(rest) };
}

/** The same for a look at the data: folds are of one size, so the first stands for all. */
export function ofOneFold(selection: DataSelection): DataSelection {
  const { split } = selection;
  return split?.folds === undefined ? selection : { ...selection, split: { fold: 1, ...split } };
}

/** The file by its full path; undefined where nothing is said. */
function splitFrom({
  validation,
  split: file,
  group,
  duplicatesApart,
  exclude,
  folds,
  fold,
  splitSeed,
}: DataOptions): SplitOptions | undefined {
  const held = validation === undefined ? undefined : share(validation);
  if (typeof held === "string" || (held !== undefined && !(held > 0 && held < 1))) {
    throw new InputError(`--validation: must be a share above 0 and below 1, such as 0.1 or 10%, not "${validation}"`);
  }
  const split = {
    ...(held !== undefined && { validation: held }),
    ...(file !== undefined && { file: resolve(file) }),
    ...(group !== undefined && { group }),
    ...(duplicatesApart && { duplicatesApart }),
    ...(exclude !== undefined && { exclude: excludedBy(exclude) }),
    ...(folds !== undefined && { folds: wholeNumber("--folds", folds, 2) }),
    ...(fold !== undefined && { fold: wholeNumber("--fold", fold, 1) }),
    ...(splitSeed !== undefined && { seed: wholeNumber("--split-seed", splitSeed, 0) }),
  };
  requireSplit(split);
  return Object.keys(split).length > 0 ? split : undefined;
}
