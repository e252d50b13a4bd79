import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { InputError } from "../../base/errors.js";
import { refuseLack } from "../../base/lack.js";
import { usableProcessors } from "../../base/limits.js";
import { lacksEnd, mendedJpeg } from "../pictures/mended-jpeg.js";
import { photoName, placeOf, readPhoto } from "./photo-locations.js";
import type { PhotoSet } from "./photo-set.js";

const JPEG_NAME = /\.(jpe?g|jfif|jpe|jif|pjpe?g|pjp)$/i;
const END = 0xffd9;
/** Pictures that are looked at, spread over the set: some seconds' worth. */
const MOST = 20_000;

/** "3 JPEG files without their end are used"; undefined where there are none. */
export async function cutJpegsText(
  sets: readonly PhotoSet[],
  shouldStop: () => boolean = () => false,
): Promise<string | undefined> {
  const all = sets.reduce((sum, { count }) => sum + count, 0);
  const step = Math.max(1, all / MOST);
  let [looked, cut] = [0, 0];
  const queue = spread(sets, step);
  const lane = async () => {
    for (const [set, index] of queue) {
      if (shouldStop()) return;
      looked++;
      if (JPEG_NAME.test(photoName(set.locations, index)) && (await isMended(set, index))) cut++;
    }
  };
  await Promise.all(Array.from({ length: usableProcessors() + 1 }, lane));
  if (cut === 0) return undefined;
  const of = step > 1 ? ` of ${looked.toLocaleString("en")} looked at` : "";
  return `${cut.toLocaleString("en")} JPEG file${cut === 1 ? "" : "s"}${of} without ${cut === 1 ? "its" : "their"} end ${cut === 1 ? "is" : "are"} used`;
}

/** Pictures of sets by their numbers, all or with a larger `step` some. */
export function* spread(sets: readonly PhotoSet[], step: number): Generator<readonly [PhotoSet, number]> {
  let [next, before] = [0, 0];
  for (const set of sets) {
    for (; Math.floor(next) < before + set.count; next += step) yield [set, Math.floor(next) - before];
    before += set.count;
  }
}

/** Whether a JPEG file is one that is used though its end is missing. What cannot be read is told of by who needs it. */
async function isMended(set: PhotoSet, index: number): Promise<boolean> {
  try {
    if (await endsAsJpeg(set, index)) return false;
    const bytes = await readPhoto(set.locations, index);
    return lacksEnd(bytes) && (await mendedJpeg(bytes)) !== undefined;
  } catch (error) {
    refuseLack(error);
    if (error instanceof InputError || (error as NodeJS.ErrnoException).code !== undefined) return false;
    throw error;
  }
}

/** Two bytes tell for most. */
async function endsAsJpeg({ locations }: PhotoSet, index: number): Promise<boolean> {
  const { path, start, length } = placeOf(locations, index, photoName(locations, index));
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const end = start + (length ?? (await file.stat()).size);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, Math.max(0, end - 2));
  return bytesRead === 2 && buffer.readUInt16BE() === END;
}
