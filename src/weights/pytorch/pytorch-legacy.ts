import { InputError } from "../../base/errors.js";
import { ITEM_SIZE } from "../../tensor/dtype.js";
import { damagedFile } from "./damaged-file.js";
import type { OpenFile } from "../open-file.js";
import { PickleInput } from "./pickle-input.js";
import { quoted } from "../../base/printable.js";
import { type TorchFile, TorchWorld } from "./torch-objects.js";
import { unpickle } from "./unpickle.js";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
const COUNT_BYTES = 8;

/**
 * Opens what torch.save wrote before PyTorch 1.6, and later where asked to: five pickles (a magic number, the protocol's
 * version, facts about the machine, the value, the storages' keys), then each storage's number of elements and bytes.
 *
 * @throws InputError where it is damaged, another kind of pickle, or asks for what knack does not run
 */
export function openPyTorchLegacy(file: OpenFile): TorchFile {
  const input = new PickleInput(file, 0, file.size);
  const world = new TorchWorld(file.path);
  if (unpickle(input, world) !== MAGIC) {
    throw new InputError(`${file.path} is a pickle that torch.save did not write: save a state dict with torch.save`);
  }
  if (unpickle(input, world) !== PROTOCOL)
    throw damagedFile(file.path, `its format is not version ${PROTOCOL}, the only one known`);
  const machine = unpickle(input, world);
  if (!(machine instanceof Map) || machine.get("little_endian") !== true) {
    throw damagedFile(file.path, "its numbers are not little-endian; save it again on a little-endian machine");
  }
  const value = unpickle(input, world);
  const keys = unpickle(input, world);

  const positions = new Map<string, number>();
  let position = input.position;
  for (const key of Array.isArray(keys) ? keys : []) {
    const storage = world.storages.get(key);
    if (storage === undefined || positions.has(key))
      throw damagedFile(file.path, "its list of storages does not fit its pickle");
    const count = file.read(position, COUNT_BYTES).readBigInt64LE();
    if (count !== BigInt(storage.length)) {
      throw damagedFile(
        file.path,
        `its storage ${quoted(key)} has ${count} elements, its pickle says ${storage.length}`,
      );
    }
    position += COUNT_BYTES;
    positions.set(key, position);
    position += storage.length * ITEM_SIZE[storage.dtype];
    if (position > file.size) {
      throw damagedFile(
        file.path,
        `it is cut off: its storage ${quoted(key)} ends at byte ${position}, the file at ${file.size}`,
      );
    }
  }
  return {
    value,
    passedOver: world.passedOver,
    read({ key, byteLength }) {
      const position = positions.get(key);
      if (position === undefined) throw damagedFile(file.path, `its storage ${quoted(key)} is missing`);
      return file.read(position, byteLength);
    },
  };
}
