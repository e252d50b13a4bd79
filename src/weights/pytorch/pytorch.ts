import type { RawTensor } from "../../tensor/raw-tensor.js";
import { damagedFile } from "./damaged-file.js";
import type { OpenFile } from "../open-file.js";
import { openPyTorchLegacy } from "./pytorch-legacy.js";
import { openPyTorchZip } from "./pytorch-zip.js";
import { rowMajor } from "./row-major.js";
import type { Storage } from "./torch-objects.js";
import { saidBeside, stateDictOf } from "./torch-state-dict.js";

/** Transposed tensors are copies beside their storage: a file whose copies are larger than this many files is none. */
const MAX_COPIES = 4;

/**
 * Reads the state dict of a file that torch.save wrote, in the zip form or the legacy form, without running any of its code.
 * Tensors on one storage share its bytes; transposed ones are copied into row-major order.
 *
 * @param key where in the file the state dict is, as `--key` names it
 * @returns its tensors, texts and numbers beside them, and what a person should know about how they were found.
 * @throws InputError where it is damaged, holds no state dict, or asks for what knack does not run
 */
export function readPyTorch(
  file: OpenFile,
  form: "zip" | "legacy",
  key: string | undefined,
): { tensors: Map<string, RawTensor>; metadata: Record<string, string>; notes: string[] } {
  const { value, passedOver, read } = form === "zip" ? openPyTorchZip(file) : openPyTorchLegacy(file);
  const { tensors: stored, notes } = stateDictOf(value, file.path, key);
  if (passedOver.size > 0) notes.push(`passed over objects that are no tensors: ${[...passedOver].join(", ")}`);

  const storages = new Map<Storage, Uint8Array<ArrayBuffer>>();
  const tensors = new Map<string, RawTensor>();
  let copied = 0;
  for (const [name, tensor] of stored) {
    const bytes = storages.get(tensor.storage) ?? read(tensor.storage);
    storages.set(tensor.storage, bytes);
    const data = rowMajor(tensor, bytes);
    if (data.buffer !== bytes.buffer) copied += data.byteLength;
    if (copied > MAX_COPIES * file.size) {
      throw damagedFile(file.path, "it has many transposed views of the same memory; save clones of them");
    }
    tensors.set(name, { dtype: tensor.storage.dtype, shape: tensor.shape, data });
  }
  return { tensors, metadata: saidBeside(value), notes };
}
