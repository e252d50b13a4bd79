/**
 * `manifest.json` of a checkpoint: the size and SHA-256 of each of its files, so that one that was damaged or cut off later is not taken for a good
 * one. Checkpoints of other programs, and of earlier versions, have none and are read without.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { systemReason, writeFileAtomic } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { z } from "../settings/zod.js";
import { OpenFile } from "./open-file.js";

const MANIFEST = "manifest.json";

/** Bytes that are hashed at a time. */
const PIECE = 2 ** 26;

const manifestSchema = z.strictObject({
  files: z.record(z.string(), z.strictObject({ bytes: z.int().min(0), sha256: z.string().length(64) })),
});
type Manifest = z.infer<typeof manifestSchema>;

/** Writes files into a new folder, and what they are into its manifest, last. @throws KnackError that names the file */
export function writeWithManifest(folder: string, contents: ReadonlyMap<string, Uint8Array | string>): void {
  const files: Manifest["files"] = {};
  for (const [name, content] of contents) {
    writeFileAtomic(join(folder, name), content);
    files[name] = { bytes: Buffer.byteLength(content), sha256: createHash("sha256").update(content).digest("hex") };
  }
  const manifest: Manifest = { files };
  writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** @throws InputError where one of these files of a folder is not what its manifest says, or the manifest is broken */
export function checkManifest(folder: string, names: readonly string[]): void {
  const path = join(folder, MANIFEST);
  if (!existsSync(path)) return;
  const { files } = read(path);
  for (const name of names) {
    const written = files[name];
    if (written) checkFile(join(folder, name), written);
  }
}

function read(path: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === undefined ? "it is no manifest any more" : systemReason(error);
    throw new InputError(`${path} is damaged: ${reason}`, error);
  }
}

function checkFile(path: string, { bytes, sha256 }: Manifest["files"][string]): void {
  using file = new OpenFile(path);
  const damaged = (how: string) =>
    new InputError(
      `${path} is damaged: ${how}; if it was changed on purpose, remove ${join(basename(dirname(path)), MANIFEST)}`,
    );
  if (file.size !== bytes) throw damaged(`it has ${file.size} bytes, and ${bytes} were written`);
  const hash = createHash("sha256");
  for (let start = 0; start < bytes; start += PIECE) hash.update(file.read(start, Math.min(PIECE, bytes - start)));
  if (hash.digest("hex") !== sha256) throw damaged("its bytes are not those that were written (SHA-256)");
}
