import { InputError } from "../../base/errors.js";
import { damagedFile } from "./damaged-file.js";
import type { OpenFile } from "../open-file.js";
import { PickleInput } from "./pickle-input.js";
import { quoted } from "../../base/printable.js";
import { type TorchFile, TorchWorld } from "./torch-objects.js";
import { unpickle } from "./unpickle.js";
import { ZipDirectory } from "./zip-directory.js";

/**
 * Opens what torch.save has written since PyTorch 1.6: a zip file with NAME/data.pkl, one entry NAME/data/KEY for each
 * storage, and since 2.0 NAME/byteorder.
 *
 * @throws InputError where it is damaged, another kind of zip file, or asks for what knack does not run
 */
export function openPyTorchZip(file: OpenFile): TorchFile {
  const zip = new ZipDirectory(file);
  const pickles = [...zip.names()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    throw new InputError(
      `${file.path} is a zip file that torch.save did not write: it has ${pickles.length} data.pkl in it`,
    );
  }
  const root = pickle.slice(0, -"data.pkl".length);
  if (zip.has(`${root}constants.pkl`)) {
    throw new InputError(
      `${file.path} is a TorchScript program, which knack does not run: ` +
        "load it in PyTorch with torch.jit.load and torch.save(model.state_dict(), ...)",
    );
  }
  const order = `${root}byteorder`;
  if (zip.has(order) && zip.read(order).toString() !== "little") {
    throw damagedFile(file.path, "its numbers are big-endian; save it again on a little-endian machine");
  }

  const bytes = zip.read(pickle);
  const source = { path: file.path, read: (at: number, length: number) => bytes.subarray(at, at + length) };
  const world = new TorchWorld(file.path);
  const value = unpickle(new PickleInput(source, 0, bytes.length), world);
  return {
    value,
    passedOver: world.passedOver,
    read({ key, dtype, length, byteLength }) {
      const name = `${root}data/${key}`;
      const bytes = zip.read(name);
      if (bytes.byteLength === byteLength) return bytes;
      throw damagedFile(
        file.path,
        `the entry ${quoted(name)} has ${bytes.byteLength} bytes, not those of ${length} ${dtype}`,
      );
    },
  };
}
