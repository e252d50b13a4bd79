import { cacheFolder } from "../../base/folders.js";
import { alikeGroups } from "./alike.js";
import { photoName } from "./photo-locations.js";
import { type LooksOptions, photoLooks } from "./photo-looks.js";
import type { PhotoSet } from "./photo-set.js";

/**
 * Which photographs of some sets look alike: of those that look like others a number of their group, by name. What was found out of a
 * picture is kept in a folder of knack's own, or in `cache`.
 *
 * @returns undefined where it was stopped meanwhile
 */
export async function alikePhotos(
  sets: readonly PhotoSet[],
  { cache = cacheFolder(), ...options }: LooksOptions = {},
): Promise<ReadonlyMap<string, number> | undefined> {
  const found = await photoLooks(sets, { cache, ...options });
  if (found === undefined) return undefined;
  const firsts = alikeGroups(found.looks, found.known);
  const sizes = new Map<number, number>();
  for (const first of firsts) sizes.set(first, (sizes.get(first) ?? 0) + 1);
  const alike = new Map<string, number>();
  let at = 0;
  for (const { locations, count } of sets) {
    for (let index = 0; index < count; index++, at++) {
      const first = firsts[at] as number;
      if ((sizes.get(first) ?? 0) > 1) alike.set(photoName(locations, index), first);
    }
  }
  return alike;
}
