import { basename, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { InputError } from "../../base/errors.js";
import { type DataSource, dataSource, type ImagesAndLabels, sharedBytes, sharedLabels } from "../image-set.js";
import { namesIn, readDataFile } from "./read-files.js";
import type { SourceFormat } from "./source.js";

// The format: https://yann.lecun.com/exdb/mnist (two zero bytes, type 8 = uint8, number of dimensions, then each dimension
// as a big-endian uint32, then the data).
const MAGIC = { images: 0x0803, labels: 0x0801 };
const ROLES = { train: "train", validation: "t10k" };

type Kind = keyof typeof MAGIC;
type Role = keyof typeof ROLES;

export const idx: SourceFormat = {
  name: "idx",
  words: "a folder of MNIST-style IDX files (train-images-idx3-ubyte, ...)",
  recognises: ({ names }) => names.some((name) => /^(train|t10k)-(images|labels)[-.]idx[13]-ubyte(\.gz)?$/.test(name)),
  open: ({ spec }) => openIdx(spec),
};

/**
 * Opens an MNIST-style folder: train-images-idx3-ubyte, train-labels-idx1-ubyte and the same two of t10k, each plain or
 * gzip, with "-" or "." before "idx". The t10k files are the validation split. Images are [N, height, width, 1].
 *
 * @param classes names of the classes; without them the classes are numbered, as many as the training labels need
 * @throws InputError where a file is missing, damaged, of the wrong kind, or does not fit the others
 */
export function openIdx(folder: string, name = basename(resolve(folder)), classes?: readonly string[]): DataSource {
  const names = namesIn(folder);
  const train = readSplit(folder, names, "train");
  const validation = readSplit(folder, names, "validation");
  if (train.height !== validation.height || train.width !== validation.width) {
    throw new InputError(
      `${validation.imagesPath} holds images of ${validation.height}x${validation.width}, but ${train.imagesPath} ` +
        `of ${train.height}x${train.width}: both files must come from the same data set`,
    );
  }
  const classNames = classes ?? numberedClasses(train.labels);
  for (const { labels, labelsPath } of [train, validation]) {
    const wrong = labels.findIndex((label) => label >= classNames.length);
    if (wrong >= 0) {
      throw new InputError(
        `${labelsPath}: label ${labels[wrong]} of image ${wrong} is out of range, ${name} has the classes 0 to ${classNames.length - 1}`,
      );
    }
  }
  const shape = { height: train.height, width: train.width, channels: 1 } as const;
  return dataSource({ name, folder, classes: classNames }, shape, {
    train: { pixels: train.pixels, labels: train.labels },
    validation: { pixels: validation.pixels, labels: validation.labels },
  });
}

function numberedClasses(labels: Int32Array): string[] {
  const highest = labels.reduce((a, b) => Math.max(a, b), 0);
  return Array.from({ length: highest + 1 }, (_, label) => String(label));
}

interface IdxSplit extends ImagesAndLabels {
  readonly height: number;
  readonly width: number;
  readonly imagesPath: string;
  readonly labelsPath: string;
}

function readSplit(folder: string, names: readonly string[], role: Role): IdxSplit {
  const imagesPath = findFile(folder, names, role, "images");
  const labelsPath = findFile(folder, names, role, "labels");
  const images = readIdx(imagesPath, "images");
  const labels = readIdx(labelsPath, "labels");
  const [count = 0, height = 0, width = 0] = images.dimensions;
  if (labels.dimensions[0] !== count) {
    throw new InputError(
      `${imagesPath} holds ${count} images, but ${labelsPath} ${labels.dimensions[0]} labels: ` +
        "the two files must belong together",
    );
  }
  const split = { pixels: sharedBytes(images.data.length), labels: sharedLabels(count) };
  split.pixels.set(images.data);
  split.labels.set(labels.data);
  return { ...split, height, width, imagesPath, labelsPath };
}

function findFile(folder: string, names: readonly string[], role: Role, kind: Kind): string {
  const dimensions = MAGIC[kind] & 0xff;
  const file = `${ROLES[role]}-${kind}-idx${dimensions}-ubyte`;
  const spellings = [file, file.replace("-idx", ".idx")].flatMap((spelling) => [spelling, `${spelling}.gz`]);
  const found = spellings.find((spelling) => names.includes(spelling));
  if (found === undefined) {
    throw new InputError(`${folder} has no ${file} (or ${file}.gz): the ${role} ${kind} of an MNIST-style folder`);
  }
  return join(folder, found);
}

function readIdx(path: string, kind: Kind): { dimensions: number[]; data: Uint8Array } {
  const bytes = unpacked(path, readDataFile(path));
  const magic = bytes.length >= 4 ? bytes.readUInt32BE(0) : -1;
  if (magic !== MAGIC[kind]) {
    const other = (Object.keys(MAGIC) as Kind[]).find((name) => MAGIC[name] === magic);
    const found = other === undefined ? "is not an IDX file of bytes" : `holds ${other}`;
    throw new InputError(`${path} ${found}, but IDX ${kind} (magic number ${MAGIC[kind]}) are expected there`);
  }
  const rank = magic & 0xff;
  const header = 4 + 4 * rank;
  if (bytes.length < header) throw new InputError(`${path} is cut short inside its header: fetch the file again`);
  const dimensions = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const size = dimensions.reduce((a, b) => a * b, 1);
  if (size === 0) throw new InputError(`${path} holds no ${kind}: its header says ${dimensions.join(" x ")}`);
  if (bytes.length !== header + size) {
    const fault = bytes.length < header + size ? "is cut short" : "has bytes too many";
    throw new InputError(
      `${path} ${fault}: its header says ${dimensions.join(" x ")}, which is ${size} bytes of data, ` +
        `but there are ${bytes.length - header}: fetch the file again`,
    );
  }
  return { dimensions, data: bytes.subarray(header) };
}

/** Unpacks what is gzip by its content, since browsers unpack a download and keep its name, or the other way round. */
function unpacked(path: string, bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : cause;
    throw new InputError(`${path} is damaged gzip (${reason}): fetch the file again`, cause);
  }
}
