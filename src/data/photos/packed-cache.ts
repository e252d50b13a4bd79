import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { usableProcessors } from "../../base/limits.js";
import { systemReason } from "../../base/atomic-file.js";
import { KnackError } from "../../base/errors.js";
import { makeFolder } from "../../base/folders.js";
import { refuseLack } from "../../base/lack.js";
import type { Intensity } from "../pictures/deep-picture.js";
import { openPicture } from "../pictures/picture.js";
import { tarMembers } from "../sources/photos/tar-members.js";
import { type PhotoCopies, type PhotoLocations, photoName, readPhoto } from "./photo-locations.js";
import type { PhotoSet } from "./photo-set.js";

export interface PackOptions {
  /**
   * Pixels of a copy's shorter side. 16/7 of the network's image size, 512 for 224, is a good choice: of the paper's crops of 8 to
   * 100 %, one in eight of a square picture and one in twenty of a 3:2 one then have fewer pixels than the network wants, and a
   * copy takes less than half the time of a 6-megapixel photograph to load, a quarter of that of a 12-megapixel one.
   */
  readonly shorterSide: number;
  /** What is black and white in pictures of more than 8 bits: copies have 8. */
  readonly intensity?: Intensity | undefined;
  /** Called after each file of copies with how many of the set's pictures are done. */
  readonly seen?: (done: number) => void;
  /** Asked between pictures: the set stays as it is then, and the files that are whole stay for the next time. */
  readonly shouldStop?: (() => boolean) | undefined;
}

/** Pictures of one tar file: its copies wait in memory until it is written, some 40 MB of them. */
const PER_FILE = 256;
/** The second resizing hides what this loses. */
const ENCODING = { quality: 95, chromaSubsampling: "4:4:4" };
const BLOCK = 512;

/**
 * The same photographs, read from smaller copies in `folder`; those that are not in it yet are made. Names, labels and order stay.
 * Pictures that are small already have no copy, and those that cannot be read none either: they are read where they are, and
 * complained of by their names.
 *
 * FOLDER/KEY/000000.tar holds the copies of the first 256 pictures as JPEG files called by their number: a format that people can
 * look into with any tool, and whose members can be read in any order without unpacking. (Decoded pixels would load faster from
 * memory, but take seven times the room, and a large set is then read from the disk again each epoch.) 000000.tar.sha256 is its
 * checksum as `sha256sum --check` reads it; all are checked on every start, and a file that is damaged, missing or half written is
 * made again. KEY is a checksum of the names, sizes and times of the source's files, so that a changed source gets new copies. The
 * older ones stay, for another run may be reading them; the folder can be deleted whenever none does. Files are written beside and
 * renamed, and two runs that make the same one write the same bytes.
 *
 * @throws KnackError where the folder cannot be written
 */
export async function packPhotos(set: PhotoSet, folder: string, options: PackOptions): Promise<PhotoSet> {
  const { shorterSide, intensity, seen = () => {}, shouldStop = () => false } = options;
  const target = resolve(folder, `${shorterSide}-${(await sourceKey(set.locations, intensity)).slice(0, 32)}`);
  const { count } = set;
  const copies: PhotoCopies = {
    files: Array.from({ length: Math.ceil(count / PER_FILE) }, (_, i) =>
      join(target, `${String(i).padStart(6, "0")}.tar`),
    ),
    fileOf: new Uint32Array(new SharedArrayBuffer(count * Uint32Array.BYTES_PER_ELEMENT)),
    starts: new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT)),
    lengths: new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT)),
  };
  try {
    makeFolder(target);
    for (const [number, file] of copies.files.entries()) {
      const [first, end] = [number * PER_FILE, Math.min((number + 1) * PER_FILE, count)];
      if (!(await isWhole(file))) await pack(set.locations, { first, end }, file, { ...options, shouldStop });
      if (shouldStop()) return set;
      for (const { name, start, length } of tarMembers(file)) {
        const index = Number.parseInt(name, 10);
        copies.fileOf[index] = number;
        copies.starts[index] = start;
        copies.lengths[index] = length;
      }
      seen(end);
    }
  } catch (error) {
    if (error instanceof KnackError || (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new KnackError(`cannot write the packed pictures in ${folder}: ${systemReason(error)}`, { cause: error });
  }
  return { ...set, locations: { ...set.locations, copies } };
}

/** A checksum of everything that copies depend on, short of the pictures' content. */
async function sourceKey(locations: PhotoLocations, intensity: Intensity | undefined): Promise<string> {
  const { root, count, containers, containerOf, members } = locations;
  const hash = createHash("sha256").update(JSON.stringify([1, ENCODING, PER_FILE, ...(intensity ?? [])]));
  const stateOf = async (path: string) => {
    const found = await stat(resolve(root, path)).catch(() => undefined);
    return found ? `${found.size} ${found.mtimeMs}` : "missing";
  };
  const states = members ? await Promise.all(containers.map(stateOf)) : undefined;
  for (let first = 0; first < count; first += PER_FILE) {
    const indices = Array.from({ length: Math.min(PER_FILE, count - first) }, (_, i) => first + i);
    const lines = indices.map(async (index) => {
      const name = photoName(locations, index);
      if (!members || !states) return [name, await stateOf(name)];
      return [name, states[containerOf[index] as number], members.starts[index], members.lengths[index]];
    });
    hash.update(JSON.stringify(await Promise.all(lines)));
  }
  return hash.digest("hex");
}

function absent(error: unknown): string {
  refuseLack(error);
  return "";
}

async function isWhole(file: string): Promise<boolean> {
  const [expected] = (await readFile(`${file}.sha256`, "utf8").catch(absent)).split(" ");
  if (!expected) return false;
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    refuseLack(error);
    return false;
  }
  return hash.digest("hex") === expected;
}

async function pack(
  locations: PhotoLocations,
  { first, end }: { first: number; end: number },
  file: string,
  { shouldStop, ...options }: PackOptions & { readonly shouldStop: () => boolean },
): Promise<void> {
  const members: Buffer[][] = Array.from({ length: end - first }, () => []);
  let next = first;
  const lane = async () => {
    while (next < end && !shouldStop()) {
      const index = next++;
      const copy = await smallerCopy(locations, index, options);
      if (copy === undefined) continue;
      const padding = Buffer.alloc((BLOCK - (copy.length % BLOCK)) % BLOCK);
      members[index - first] = [tarHeader(`${String(index).padStart(9, "0")}.jpg`, copy.length), copy, padding];
    }
  };
  await Promise.all(Array.from({ length: usableProcessors() + 1 }, lane));
  if (shouldStop()) return; // not all of them are there
  const bytes = Buffer.concat([...members.flat(), Buffer.alloc(2 * BLOCK)]);
  await writeBeside(file, bytes);
  const sum = createHash("sha256").update(bytes).digest("hex");
  await writeBeside(`${file}.sha256`, `${sum}  ${file.slice(-"000000.tar".length)}\n`);
}

/** A picture's smaller copy; undefined where it is small already, or cannot be read or packed. */
async function smallerCopy(
  locations: PhotoLocations,
  index: number,
  { shorterSide, intensity }: PackOptions,
): Promise<Buffer | undefined> {
  try {
    const { pipeline: picture, height, width } = await openPicture(await readPhoto(locations, index), { intensity });
    const scale = shorterSide / Math.min(height, width);
    if (scale >= 1) return undefined;
    const size = { height: Math.round(height * scale), width: Math.round(width * scale) };
    const resized = picture.resize({ ...size, fit: "fill", fastShrinkOnLoad: false });
    return await resized.jpeg(ENCODING).toBuffer();
  } catch (error) {
    refuseLack(error);
    return undefined;
  }
}

/** The header of a member of a tar file (POSIX ustar), without owner and time. */
function tarHeader(name: string, length: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  header.write(name, 0);
  header.write(`${octal(0o644, 7)}${octal(0, 7)}${octal(0, 7)}${octal(length, 11)}${octal(0, 11)}`, 100);
  header.write("        0", 148); // The checksum counts as spaces; the type is a file.
  header.write("ustar\x0000", 257);
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    ),
    148,
  );
  return header;
}

/** As `writeFileAtomic`, for several writers of one path, which write the same. */
async function writeBeside(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await using file = await open(temporary, "wx");
    await file.writeFile(data);
    await file.sync();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
