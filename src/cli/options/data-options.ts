import type { Command } from "commander";
import type { DataSelection } from "../../data/sources/open.js";
import { InputError } from "../../base/errors.js";

/** The options that `addDataOptions` adds, as commander returns them. */
export interface DataOptions {
  holdOut?: string;
  trainShare?: string;
}

/** Adds the options that say what of a data set is used. */
export function addDataOptions(command: Command): Command {
  return command
    .option(
      "--hold-out <file>",
      "CIFAR: validate on this training file, such as data_batch_5.bin, not on the test files",
    )
    .option("--train-share <share>", "train on this share of each class's images, such as 0.25");
}

/** @throws InputError where the share is no number; what it may be, and which files there are, the data says. */
export function selectionFrom({ holdOut, trainShare }: DataOptions): DataSelection {
  const share = trainShare === undefined ? undefined : Number(trainShare);
  if (share !== undefined && !(share > 0 && share <= 1)) {
    throw new InputError(`--train-share: must be a number above 0 and at most 1, not "${trainShare}"`);
  }
  return { holdOut, trainShare: share };
}
