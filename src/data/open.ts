import { join, resolve } from "node:path";
import { InputError } from "../errors.js";
import { isCifarFolder, openCifar } from "./cifar.js";
import { openFashionMnist } from "./fashion-mnist.js";
import { listFolder, lookAt, namesIn } from "./files.js";
import { isIdxFolder, openIdx } from "./idx.js";
import type { DataSource } from "./image-set.js";

const UNDERSTOOD =
  '"fashion-mnist", a folder of MNIST-style IDX files (train-images-idx3-ubyte, ...), ' +
  "or a folder of CIFAR-10 or CIFAR-100 binary files (data_batch_1.bin, ... or train.bin)";

const NAMED: ReadonlyMap<string, () => DataSource> = new Map([["fashion-mnist", openFashionMnist]]);

/** What `openData` finds from any working directory: a data set's name as it is, a folder by its full path. */
export function anywhere(spec: string): string {
  return NAMED.has(spec) ? spec : resolve(spec);
}

/**
 * Opens a data set by name ("fashion-mnist") or by folder; the kind of a folder is told by its files.
 * A folder that has the name of a data set is written with a slash: "./fashion-mnist".
 *
 * @throws InputError where the data set is unknown, missing, damaged, or of a kind not understood
 */
export function openData(spec: string): DataSource {
  const named = NAMED.get(spec);
  if (named) return named();
  const found = lookAt(spec);
  if (found === undefined) throw new InputError(`no data set or folder "${spec}": understood are ${UNDERSTOOD}`);
  if (!found.isDirectory()) throw new InputError(`"${spec}" is a file, not a folder: understood are ${UNDERSTOOD}`);
  const names = namesIn(spec);
  if (isIdxFolder(names)) return openIdx(spec);
  if (isCifarFolder(names)) return openCifar(spec);
  if (holdsPhotographs(spec, 2)) {
    throw new InputError(`"${spec}" holds photographs, which are not supported yet: understood are ${UNDERSTOOD}`);
  }
  throw new InputError(`"${spec}" holds no data set that is understood: understood are ${UNDERSTOOD}`);
}

/** Whether there are photographs in a folder or its subfolders (CLASS/x.jpg, train/CLASS/x.jpg). */
function holdsPhotographs(folder: string, depth: number): boolean {
  const entries = listFolder(folder);
  if (entries.some((entry) => /\.(jpe?g|png|webp)$/i.test(entry.name))) return true;
  return depth > 0 && entries.some((e) => e.isDirectory() && holdsPhotographs(join(folder, e.name), depth - 1));
}
