import { JoinedSets } from "../../base/joined-sets.js";
import { HASH_WORDS, isSameLook, LOOK_BYTES, lookHash } from "../pictures/picture-look.js";

/** Bits of two hashes that may differ: any two such hashes have a word in common, by which they are found. */
const MOST_BITS = HASH_WORDS - 1;

/**
 * Groups of pictures that look alike: the same one saved anew, resized, a little brighter. What looks like one picture of a group belongs
 * to it.
 *
 * @param looks one after the other, as `pictureLook` gives them
 * @param known whether there is a look of each picture: others are alone
 * @returns of each picture the first one of its group; itself, where it is alone
 */
export function alikeGroups(looks: Uint8Array, known: Uint8Array): Uint32Array {
  const groups = new JoinedSets(known.length);
  const hashes = new Uint16Array(HASH_WORDS * known.length);
  const hashOf = (index: number) => hashes.subarray(index * HASH_WORDS, (index + 1) * HASH_WORDS);
  const isAlike = (a: number, b: number) => isSameLook(looks, a * LOOK_BYTES, b * LOOK_BYTES);
  /** By hash, the pictures that do not look alike all the same: a plain one's hash says nothing. */
  const byHash = new Map<string, number[]>();
  /** By a word of the hash and its place: the first picture of each hash that has it. */
  const byWord = Array.from({ length: HASH_WORDS }, () => new Map<number, number[]>());
  for (let index = 0; index < known.length; index++) {
    if (known[index] === 0) continue;
    const hash = hashOf(index);
    lookHash(looks, index * LOOK_BYTES, hash);
    const key = String.fromCharCode(...hash);
    const twins = byHash.get(key);
    const same = twins?.filter((other) => isAlike(other, index)) ?? [];
    for (const twin of same) groups.join(twin, index);
    if (same.length > 0) continue; // whatever is like it is found by its twins
    for (const [place, word] of hash.entries()) {
      for (const first of byWord[place]?.get(word) ?? []) {
        const other = hashOf(first);
        if (bitsBetween(other, hash) > MOST_BITS) continue;
        for (const each of byHash.get(String.fromCharCode(...other)) ?? [])
          if (isAlike(each, index)) groups.join(each, index);
      }
    }
    if (twins) twins.push(index);
    else {
      byHash.set(key, [index]);
      for (const [place, word] of hash.entries()) pushTo(byWord[place] as Map<number, number[]>, word, index);
    }
  }
  return Uint32Array.from(known, (_, index) => groups.firstOf(index));
}

function bitsBetween(a: Uint16Array, b: Uint16Array): number {
  let bits = 0;
  for (let word = 0; word < HASH_WORDS; word++) {
    for (let rest = (a[word] as number) ^ (b[word] as number); rest !== 0; rest &= rest - 1) bits++;
  }
  return bits;
}

function pushTo(map: Map<number, number[]>, key: number, value: number): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
