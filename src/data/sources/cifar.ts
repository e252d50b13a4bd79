import { join } from "node:path";
import { didYouMean } from "../../base/did-you-mean.js";
import { InputError } from "../../base/errors.js";
import { type DataSource, dataSource, type ImagesAndLabels, sharedBytes, sharedLabels } from "../image-set.js";
import { readDataFile } from "./read-files.js";
import type { OpenOptions, Place, SourceFormat } from "./source.js";

const SIDE = 32;
const PLANE = SIDE * SIDE;

/** One of the two binary layouts (https://www.cs.toronto.edu/~kriz/cifar.html): labels, then the planes R, G and B. */
interface Layout {
  readonly name: string;
  readonly labelBytes: number;
  readonly train: RegExp;
  /** The official name of the test file, which is taken alone where it is there. */
  readonly test: string;
  readonly testPart: RegExp;
  readonly expected: string;
  readonly namesFile: string;
  readonly classes: readonly string[];
}

const LAYOUTS: readonly Layout[] = [
  {
    name: "cifar10",
    labelBytes: 1,
    train: /^data_batch_.*\.bin$/,
    test: "test_batch.bin",
    testPart: /^test_batch.*\.bin$/,
    expected: "data_batch_*.bin for training and test_batch.bin (or test_batch*.bin) for validation",
    namesFile: "batches.meta.txt",
    classes: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
  },
  {
    name: "cifar100",
    labelBytes: 2, // coarse, fine: the fine one is the class
    train: /^train\.bin$/,
    test: "test.bin",
    testPart: /^test\.bin$/,
    expected: "train.bin for training and test.bin for validation",
    namesFile: "fine_label_names.txt",
    classes: Array.from({ length: 100 }, (_, label) => String(label)),
  },
];

export const cifar: SourceFormat = {
  name: "cifar",
  words: "a folder of CIFAR-10 or CIFAR-100 binary files (data_batch_1.bin, ... or train.bin)",
  holdsOut: "CIFAR binary files",
  recognises: ({ names }) =>
    LAYOUTS.some((layout) => names.some((name) => layout.train.test(name) || layout.testPart.test(name))),
  open: openCifar,
};

/**
 * Opens a folder in the CIFAR-10 or CIFAR-100 binary layout: 32x32x3 images. Class names come from batches.meta.txt or
 * fine_label_names.txt where present, otherwise they are CIFAR-10's own, or numbers for CIFAR-100 (its fine labels).
 *
 * @param holdOut a training file to validate on; the test files are left alone then
 * @throws InputError where a file is missing or its records are not whole, or a label is out of range
 */
function openCifar({ spec: folder, names }: Place, { holdOut }: OpenOptions): DataSource {
  const layout = LAYOUTS.find(({ train }) => names.some((name) => train.test(name)));
  if (layout === undefined) {
    const wanted = LAYOUTS.map(({ expected }) => expected).join(", or ");
    throw new InputError(`${folder} has no training file of CIFAR: expected ${wanted}`);
  }
  const { trainFiles, validationFiles } = splitFiles(folder, names, layout, holdOut);
  const classes = names.includes(layout.namesFile) ? readNames(join(folder, layout.namesFile)) : layout.classes;
  const read = (files: readonly string[]) => readFiles(folder, files, layout.labelBytes, classes.length);
  return dataSource(
    { name: layout.name, folder: holdOut === undefined ? folder : `${folder}, ${holdOut} held out`, classes },
    { height: SIDE, width: SIDE, channels: 3 },
    { train: read(trainFiles), validation: read(validationFiles) },
  );
}

function splitFiles(
  folder: string,
  names: readonly string[],
  layout: Layout,
  holdOut: string | undefined,
): { trainFiles: string[]; validationFiles: string[] } {
  const trainFiles = names.filter((name) => layout.train.test(name));
  if (holdOut !== undefined) return holdingOut(folder, trainFiles, holdOut);
  const testFiles = names.includes(layout.test) ? [layout.test] : names.filter((name) => layout.testPart.test(name));
  if (testFiles.length > 0) return { trainFiles, validationFiles: testFiles };
  throw new InputError(`${folder} has no test file of ${layout.name}: expected ${layout.expected}`);
}

function holdingOut(folder: string, trainFiles: readonly string[], holdOut: string) {
  const others = trainFiles.filter((name) => name !== holdOut);
  if (others.length === trainFiles.length) {
    const hint = didYouMean(holdOut, trainFiles) || `; there are: ${trainFiles.join(", ")}`;
    throw new InputError(`--hold-out: ${folder} has no training file ${JSON.stringify(holdOut)}${hint}`);
  }
  if (others.length === 0) {
    throw new InputError(`--hold-out: ${holdOut} is the only training file of ${folder}, and none would be left`);
  }
  return { trainFiles: others, validationFiles: [holdOut] };
}

function readNames(path: string): string[] {
  const lines = readDataFile(path).toString("utf8").split("\n");
  const names = lines.map((line) => line.trim()).filter((line) => line !== "");
  if (names.length === 0) throw new InputError(`${path} names no class: write one a line, or remove the file`);
  return names;
}

function readFiles(folder: string, files: readonly string[], labelBytes: number, classes: number): ImagesAndLabels {
  const record = labelBytes + 3 * PLANE;
  const contents = files.map((file) => {
    const path = join(folder, file);
    const bytes = readDataFile(path);
    if (bytes.length === 0 || bytes.length % record !== 0) {
      throw new InputError(
        `${path} has ${bytes.length} bytes, which is not a whole number of records of ${record} bytes: fetch the file again`,
      );
    }
    return { path, bytes };
  });
  const count = contents.reduce((sum, { bytes }) => sum + bytes.length / record, 0);
  const split = { pixels: sharedBytes(count * 3 * PLANE), labels: sharedLabels(count) };
  let image = 0;
  for (const { path, bytes } of contents) {
    for (let start = 0; start < bytes.length; start += record, image++) {
      const label = bytes[start + labelBytes - 1] as number;
      if (label >= classes) {
        throw new InputError(
          `${path}: label ${label} of record ${start / record} is out of range, there are the classes 0 to ${classes - 1}`,
        );
      }
      split.labels[image] = label;
      interleave(bytes, start + labelBytes, split.pixels, image * 3 * PLANE);
    }
  }
  return split;
}

/** Planar RRR GGG BBB to RGB RGB RGB. */
function interleave(planar: Uint8Array, from: number, out: Uint8Array, to: number): void {
  for (let i = 0, o = to; i < PLANE; i++, o += 3) {
    out[o] = planar[from + i] as number;
    out[o + 1] = planar[from + PLANE + i] as number;
    out[o + 2] = planar[from + 2 * PLANE + i] as number;
  }
}
