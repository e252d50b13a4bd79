import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { systemReason } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { refuseLack } from "../../base/lack.js";

/** A larger file is no photograph, and reading it would fill the memory. */
const MAX_FILE_BYTES = 2 ** 30;

/**
 * Where the encoded pictures of a split are: files in folders, or members of tar files. Plain data on SharedArrayBuffers, so that
 * it goes to other threads without a copy; a picture costs 8 bytes and its name, in a tar file 20 bytes and its name.
 */
export interface PhotoLocations {
  /** What the containers' paths are relative to. */
  readonly root: string;
  readonly count: number;
  /** Paths of folders or of tar files. */
  readonly containers: readonly string[];
  /** [count] which container a picture is in. */
  readonly containerOf: Uint32Array;
  /** The pictures' names inside their containers in UTF-8, one after the other. */
  readonly names: Uint8Array;
  /** [count] where each name ends in `names`; it begins where the one before ends. */
  readonly nameEnds: Uint32Array;
  /** Only where the containers are tar files: [count] each picture's first byte and length in its file. */
  readonly members?: { readonly starts: Float64Array; readonly lengths: Float64Array } | undefined;
  /** Only where smaller copies were made, which are read instead (see packed-cache.ts). */
  readonly copies?: PhotoCopies | undefined;
}

/** Copies of pictures inside of files. */
export interface PhotoCopies {
  readonly files: readonly string[];
  /** [count] */
  readonly fileOf: Uint32Array;
  /** [count] each copy's first byte and length in its file; of length 0 are those that have none. */
  readonly starts: Float64Array;
  readonly lengths: Float64Array;
}

/** A picture whose bytes cannot be read. */
export class UnreadablePhoto extends InputError {
  /** @param reason without the picture's name */
  constructor(
    photo: string,
    readonly reason: string,
    cause?: unknown,
  ) {
    super(`cannot read the picture ${JSON.stringify(photo)}: ${reason}`, cause);
  }
}

/** What a picture is called: its path relative to the root, in a tar file "shard-000.tar/000123.jpg". Any character may be in it. */
export function photoName({ containers, containerOf, names, nameEnds }: PhotoLocations, index: number): string {
  const start = index === 0 ? 0 : (nameEnds[index - 1] as number);
  const name = Buffer.from(names.buffer, names.byteOffset + start, (nameEnds[index] as number) - start).toString();
  const container = containers[containerOf[index] as number] as string;
  return container === "" ? name : `${container}/${name}`;
}

/**
 * The bytes of an encoded picture.
 *
 * @throws UnreadablePhoto, an InputError that names the picture, where it is no file (any more) or cannot be read; LackError where the
 *   machine has no more files or memory
 */
export async function readPhoto(locations: PhotoLocations, index: number): Promise<Buffer> {
  const name = photoName(locations, index);
  const { path, start, length: known, copied } = placeOf(locations, index, name);
  let file: FileHandle | undefined;
  try {
    // Opening a named pipe waits for a writer, unless told not to.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (found.isDirectory()) throw new UnreadablePhoto(name, "it is a folder");
    if (!found.isFile()) throw new UnreadablePhoto(name, "it is no file, but a pipe or a device");
    const length = known ?? found.size;
    if (length > MAX_FILE_BYTES) throw new UnreadablePhoto(name, `its ${length} bytes are too many for a picture`);
    return await readExactly(file, name, start, length);
  } catch (error) {
    if (error instanceof UnreadablePhoto) throw error;
    refuseLack(error);
    // Node gives bytes that are not UTF-8 as U+FFFD, and a file of that name does not exist.
    const reason = name.includes("\ufffd") ? "its name is not UTF-8, rename it" : systemReason(error);
    throw new UnreadablePhoto(name, copied ? `${systemReason(error)}: its copy in ${path}` : reason, error);
  } finally {
    await file?.close();
  }
}

/** Bytes of an encoded picture; undefined where there is none (any more). */
export async function photoSize(locations: PhotoLocations, index: number): Promise<number | undefined> {
  const known = locations.members?.lengths[index];
  if (known !== undefined) return known;
  try {
    return (await stat(resolve(locations.root, photoName(locations, index)))).size;
  } catch (error) {
    refuseLack(error);
    return undefined;
  }
}

/** The file that a picture is in, and where in it; no length where it is all of the file. */
export function placeOf(
  { root, containers, containerOf, members, copies }: PhotoLocations,
  index: number,
  name: string,
) {
  const copied = copies?.lengths[index];
  if (copies && copied) {
    const path = copies.files[copies.fileOf[index] as number] as string;
    return { path, start: copies.starts[index] as number, length: copied, copied: true };
  }
  if (!members) return { path: resolve(root, name), start: 0, length: undefined, copied: false };
  const path = resolve(root, containers[containerOf[index] as number] as string);
  return { path, start: members.starts[index] as number, length: members.lengths[index] as number, copied: false };
}

async function readExactly(file: FileHandle, name: string, start: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) throw new UnreadablePhoto(name, `its file ends ${length - done} bytes early`);
    done += bytesRead;
  }
  return bytes;
}
