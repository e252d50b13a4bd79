import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { makeFolder } from "../../base/folders.js";
import { refuseLack } from "../../base/lack.js";
import { usableProcessors } from "../../base/limits.js";
import type { Intensity } from "../pictures/deep-picture.js";
import { LOOK_BYTES, pictureLook } from "../pictures/picture-look.js";
import { photoName, placeOf, readPhoto } from "./photo-locations.js";
import type { PhotoSet } from "./photo-set.js";

export interface LooksOptions {
  /** What is black and white in pictures of more than 8 bits. */
  readonly intensity?: Intensity | undefined;
  /** The folder that keeps looks for later; none are kept without. */
  readonly cache?: string | undefined;
  /** Called before the first picture that is not kept there. */
  readonly begin?: (() => void) | undefined;
  /** Asked before a picture is decoded: what is done by then is kept. */
  readonly shouldStop?: (() => boolean) | undefined;
}

/** What pictures look like, one after the other, and of which that is known: not of those that cannot be read. */
export interface Looks {
  readonly looks: Uint8Array;
  readonly known: Uint8Array;
}

/** Bytes of a key: of a checksum of the picture's name, size and time of change. */
const KEY_BYTES = 16;
const RECORD_BYTES = KEY_BYTES + LOOK_BYTES;
/** A file begins with a checksum of the rest. */
const CHECK_BYTES = 32;
/** Changes with what a look is. */
const VERSION = 1;

/**
 * What the pictures of some sets look like, in order. A picture whose file has not changed is not decoded again.
 *
 * @returns undefined where it was stopped
 */
export async function photoLooks(sets: readonly PhotoSet[], options: LooksOptions = {}): Promise<Looks | undefined> {
  const { intensity, cache, begin = () => {}, shouldStop = () => false } = options;
  const count = sets.reduce((sum, set) => sum + set.count, 0);
  const [looks, known, keys] = [
    new Uint8Array(count * LOOK_BYTES),
    new Uint8Array(count),
    Buffer.alloc(count * KEY_BYTES),
  ];
  const file = cache === undefined ? undefined : join(cache, `looks-${rootKey(sets, intensity)}.bin`);
  const kept = file === undefined ? new Map<string, Uint8Array>() : readKept(file);
  let [made, stopped] = [0, false];
  const look = async (set: PhotoSet, index: number, at: number) => {
    const key = await keyOf(set, index);
    if (key === undefined) return;
    key.copy(keys, at * KEY_BYTES);
    const before = kept.get(key.toString("latin1"));
    // What is kept is there at once.
    stopped ||= before === undefined && shouldStop();
    if (stopped) return;
    if (before === undefined && made++ === 0) begin();
    const found = before ?? (await lookAt(set, index, intensity));
    if (found === undefined) return;
    looks.set(found, at * LOOK_BYTES);
    known[at] = 1;
  };
  const queue = numbered(sets);
  const lane = async () => {
    for (const [set, index, at] of queue) {
      if (stopped) return;
      await look(set, index, at);
    }
  };
  await Promise.all(Array.from({ length: usableProcessors() + 1 }, lane));
  if (file !== undefined && made > 0) keep(file, { looks, known }, keys, kept);
  return stopped ? undefined : { looks, known };
}

function* numbered(sets: readonly PhotoSet[]): Generator<readonly [set: PhotoSet, index: number, at: number]> {
  let at = 0;
  for (const set of sets) for (let index = 0; index < set.count; index++) yield [set, index, at++];
}

function rootKey(sets: readonly PhotoSet[], intensity: Intensity | undefined): string {
  const about = [VERSION, sets[0]?.locations.root, ...(intensity ?? [])];
  return createHash("sha256").update(JSON.stringify(about)).digest("hex").slice(0, 16);
}

/** Undefined where there is no such file (any more). */
async function keyOf({ locations }: PhotoSet, index: number): Promise<Buffer | undefined> {
  const name = photoName(locations, index);
  const { path, start, length } = placeOf(locations, index, name);
  try {
    const { size, mtimeMs } = await stat(path);
    const about = [name, start, length ?? size, mtimeMs];
    return createHash("sha256").update(JSON.stringify(about)).digest().subarray(0, KEY_BYTES);
  } catch (error) {
    refuseLack(error);
    return undefined;
  }
}

/** Undefined where it cannot be read, which is told by who needs it. */
async function lookAt(
  { locations }: PhotoSet,
  index: number,
  intensity: Intensity | undefined,
): Promise<Uint8Array | undefined> {
  try {
    return await pictureLook(await readPhoto(locations, index), intensity);
  } catch (error) {
    refuseLack(error);
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** Looks by key; none where the file is missing or damaged. */
function readKept(file: string): Map<string, Uint8Array> {
  const kept = new Map<string, Uint8Array>();
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    refuseLack(error);
    return kept;
  }
  const records = bytes.subarray(CHECK_BYTES);
  if (!checkOf(records).equals(bytes.subarray(0, CHECK_BYTES))) return kept;
  for (let at = 0; at < records.length; at += RECORD_BYTES) {
    kept.set(records.toString("latin1", at, at + KEY_BYTES), records.subarray(at + KEY_BYTES, at + RECORD_BYTES));
  }
  return kept;
}

/** Where the folder cannot be written nothing is kept. Of pictures that are gone at most as many stay as there are others. */
function keep(file: string, { looks, known }: Looks, keys: Buffer, before: ReadonlyMap<string, Uint8Array>): void {
  const all = new Map<string, Uint8Array>();
  for (let at = 0; at < known.length; at++) {
    if (known[at] === 0) continue;
    const key = keys.toString("latin1", at * KEY_BYTES, (at + 1) * KEY_BYTES);
    all.set(key, looks.subarray(at * LOOK_BYTES, (at + 1) * LOOK_BYTES));
  }
  const others = [...before].filter(([key]) => !all.has(key)).slice(0, all.size);
  const records = Buffer.concat([...others, ...all].flatMap(([key, look]) => [Buffer.from(key, "latin1"), look]));
  try {
    makeFolder(dirname(file));
    writeFileAtomic(file, Buffer.concat([checkOf(records), records]));
  } catch (error) {
    refuseLack(error);
  }
}

function checkOf(records: Uint8Array): Buffer {
  return createHash("sha256").update(records).digest();
}
