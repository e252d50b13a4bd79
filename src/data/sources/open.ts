import { resolve } from "node:path";
import { InputError } from "../../base/errors.js";
import { isCifarFolder, openCifar } from "./cifar.js";
import { openFashionMnist } from "./fashion-mnist.js";
import { lookAt, namesIn } from "./read-files.js";
import { isIdxFolder, openIdx } from "./idx.js";
import type { DataSource } from "../image-set.js";
import { isPhotoSource, openPhotos, type PhotoSource } from "./photo-set.js";
import { trainOnShare } from "../sampling/training-share.js";

const UNDERSTOOD =
  '"fashion-mnist", a folder of MNIST-style IDX files (train-images-idx3-ubyte, ...), ' +
  "a folder of CIFAR-10 or CIFAR-100 binary files (data_batch_1.bin, ... or train.bin), " +
  "a folder of photographs (CLASS/picture.jpg or train/CLASS/picture.jpg), a .csv file of path,label, " +
  'or WebDataset tar files ("shards-{000..012}.tar")';

const NAMED: ReadonlyMap<string, () => DataSource> = new Map([["fashion-mnist", openFashionMnist]]);

/** What `openData` finds from any working directory: a data set's name as it is, a folder or file by its full path. */
export function anywhere(spec: string): string {
  return NAMED.has(spec) ? spec : resolve(spec);
}

/** What of a data set is trained on and validated on, where it is not all of the first and the set's own of the second. */
export interface DataSelection {
  /** CIFAR folders: the training file that is validated on, such as "data_batch_5.bin"; the test files are left alone then. */
  readonly holdOut?: string | undefined;
  /** The share of each class's training images that is trained on, above 0 and at most 1. */
  readonly trainShare?: number | undefined;
}

/**
 * Opens a data set by name ("fashion-mnist"), folder or file; the kind of a folder is told by what is in it. Small images are
 * read into memory; photographs (`kind` is "photos") are only listed.
 * A folder that has the name of a data set is written with a slash: "./fashion-mnist".
 *
 * @throws InputError where the data set is unknown, missing, damaged, or of a kind not understood, or has not what is selected
 */
export function openData(spec: string, { holdOut, trainShare = 1 }: DataSelection = {}): DataSource | PhotoSource {
  if (!(trainShare > 0 && trainShare <= 1)) {
    throw new InputError(`--train-share: must be above 0 and at most 1, not ${trainShare}`);
  }
  const source = openWhole(spec, holdOut);
  return trainShare < 1 ? trainOnShare(source, trainShare) : source;
}

function openWhole(spec: string, holdOut: string | undefined): DataSource | PhotoSource {
  const folder = NAMED.has(spec) ? undefined : lookAt(spec);
  const names = folder?.isDirectory() ? namesIn(spec) : [];
  if (isCifarFolder(names) && !isIdxFolder(names)) return openCifar(spec, holdOut);
  if (holdOut !== undefined) {
    throw new InputError(
      `--hold-out: "${spec}" is no folder of CIFAR binary files, and only their files can be held out`,
    );
  }
  const named = NAMED.get(spec);
  if (named) return named();
  if (isIdxFolder(names)) return openIdx(spec);
  if (isPhotoSource(spec)) return openPhotos(spec);
  if (folder === undefined) throw new InputError(`no data set or folder "${spec}": understood are ${UNDERSTOOD}`);
  if (!folder.isDirectory()) throw new InputError(`"${spec}" is a file, not a folder: understood are ${UNDERSTOOD}`);
  throw new InputError(`"${spec}" holds no data set that is understood: understood are ${UNDERSTOOD}`);
}
