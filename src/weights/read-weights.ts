import { InputError } from "../base/errors.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { OpenFile } from "./open-file.js";
import { readPyTorch } from "./pytorch/pytorch.js";
import { looksLikeSafetensors, readSafetensors } from "./safetensors/safetensors.js";

export interface Weights {
  readonly tensors: Map<string, RawTensor>;
  /** What the file says of itself: a safetensors file's free text, texts and numbers beside a PyTorch state dict. */
  readonly metadata: Record<string, string>;
  /** What a person should know about how the tensors were found: under which key, what was left out. */
  readonly notes: readonly string[];
}

/** How files begin that are taken for weights now and then, and what to do about it. */
const OTHERS: readonly (readonly [begin: string, what: string])[] = [
  ["version https://git-lfs", 'a Git LFS pointer and not the weights: run "git lfs pull" where it comes from'],
  ["<", "a web page and not the weights: download it again"],
  ["\x89HDF", "an HDF5 file (Keras), which knack does not read: convert it to safetensors"],
  ["\x1f\x8b", "compressed with gzip: unpack it first"],
];

/**
 * Reads the tensors of a safetensors file or of a PyTorch file (.pth, .pt, .th, .bin) in the zip form or the legacy form; what
 * it is, its bytes say. No code of the file is run: a pickle that asks for other than tensors, containers, numbers and harmless
 * objects is refused. Only what is needed is read, so files of any size can be; no tensor may be larger than 4 GiB.
 *
 * @param key which state dict of several: where it is in a PyTorch file, or what its names begin with
 * @throws InputError, one line that names the file, where it is missing, damaged, of another kind, or asks for what knack does
 *   not run
 */
export function readWeights(path: string, key?: string): Weights {
  using file = new OpenFile(path);
  const begin = file.read(0, Math.min(file.size, 512));
  const text = begin.toString("latin1");
  if (text.startsWith("PK\x03\x04")) return readPyTorch(file, "zip", key);
  if (looksLikeSafetensors(begin)) return underKey(readSafetensors(file), key, path);
  if (text.startsWith("\x80")) return readPyTorch(file, "legacy", key);

  const other = OTHERS.find(([start]) => text.startsWith(start));
  if (other !== undefined) throw new InputError(`${path} holds no weights that knack reads: it is ${other[1]}`);
  if (/\.onnx$/i.test(path)) {
    throw new InputError(
      `${path} is an ONNX file, which holds no weights by name: give the checkpoint or file it was made from`,
    );
  }
  if (text.slice(257, 262) === "ustar") {
    throw new InputError(
      `${path} is a tar file, as PyTorch wrote before 0.1.10: load it in PyTorch and torch.save it again`,
    );
  }
  // Too damaged to be recognised: its name says what it should be, and the reader what is wrong.
  if (path.endsWith(".safetensors")) return { notes: [], ...readSafetensors(file) };
  throw new InputError(
    `${path} is no file of weights that knack knows: give a safetensors file or a state dict of torch.save`,
  );
}

/** A safetensors file has no keys but its names. */
function underKey(read: Omit<Weights, "notes">, key: string | undefined, path: string): Weights {
  if (key === undefined) return { ...read, notes: [] };
  const tensors = new Map([...read.tensors].filter(([name]) => name.startsWith(`${key}.`)));
  if (tensors.size === 0) throw new InputError(`--key: no name in ${path} begins with "${key}."`);
  return { ...read, tensors, notes: [`read the tensors whose names begin with "${key}."`] };
}
