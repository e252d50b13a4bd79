import { resolve } from "node:path";
import { InputError } from "../errors.js";
import { isCifarFolder, openCifar } from "./cifar.js";
import { openFashionMnist } from "./fashion-mnist.js";
import { lookAt, namesIn } from "./files.js";
import { isIdxFolder, openIdx } from "./idx.js";
import type { DataSource } from "./image-set.js";
import { isPhotoSource, openPhotos, type PhotoSource, type PhotoSplit } from "./photo-set.js";

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

/**
 * Opens a data set by name ("fashion-mnist"), folder or file; the kind of a folder is told by what is in it. Small images are
 * read into memory; photographs (`kind` is "photos") are only listed.
 * A folder that has the name of a data set is written with a slash: "./fashion-mnist".
 *
 * @param split how validation photographs are held out where the source has no split of its own
 * @throws InputError where the data set is unknown, missing, damaged, or of a kind not understood
 */
export function openData(spec: string, split?: PhotoSplit): DataSource | PhotoSource {
  const named = NAMED.get(spec);
  if (named) return named();
  const found = lookAt(spec);
  if (found?.isDirectory()) {
    const names = namesIn(spec);
    if (isIdxFolder(names)) return openIdx(spec);
    if (isCifarFolder(names)) return openCifar(spec);
  }
  if (isPhotoSource(spec)) return openPhotos(spec, split);
  if (found === undefined) throw new InputError(`no data set or folder "${spec}": understood are ${UNDERSTOOD}`);
  if (!found.isDirectory()) throw new InputError(`"${spec}" is a file, not a folder: understood are ${UNDERSTOOD}`);
  throw new InputError(`"${spec}" holds no data set that is understood: understood are ${UNDERSTOOD}`);
}
