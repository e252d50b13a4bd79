import { createHash } from "node:crypto";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { KnackError } from "../base/errors.js";

/** A stream of random numbers. */
export interface Random {
  /** A float64 in [0, 1), a multiple of 2^-53. */
  uniform(): number;
  /** An unbiased integer in [0, below). */
  integer(below: number): number;
}

/**
 * The stream of random numbers that belongs to a key, for example `randomFor(seed, "augment", epoch, sampleIndex)`.
 *
 * Streams are keyed rather than drawn from one generator after another, so that what a sample gets depends on what it is
 * and never on when it was asked for: the bits are the same whatever the number of loader workers, and a resumed run
 * needs no saved generator state to go on with them.
 *
 * The state of a xoroshiro128+ is the first 16 bytes of the SHA-256 of the key as JSON, so neighbouring keys share nothing.
 *
 * @throws KnackError where the seed or a number in the path is not a safe integer
 */
export function randomFor(seed: number, ...path: (string | number)[]): Random {
  const hash = hashKey(seed, path);
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((offset) => hash.readInt32LE(offset)));
  return {
    uniform: () => uniformFloat64(generator),
    integer: (below) => uniformInt(generator, 0, below - 1),
  };
}

/**
 * A non-negative 32-bit integer that belongs to a key, to seed a generator that is not ours (libtorch's).
 *
 * @throws KnackError where the seed or a number in the path is not a safe integer
 */
export function seedFor(seed: number, ...path: (string | number)[]): number {
  return hashKey(seed, path).readUInt32LE(16);
}

/** A uniformly random order of 0..n-1 (Fisher-Yates). */
export function permutation(n: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let last = n - 1; last > 0; last--) {
    const picked = random.integer(last + 1);
    const value = order[picked] as number;
    order[picked] = order[last] as number;
    order[last] = value;
  }
  return order;
}

function hashKey(seed: number, path: (string | number)[]): Buffer {
  const key = [seed, ...path];
  const wrong = key.find((part) => typeof part === "number" && !Number.isSafeInteger(part));
  if (wrong !== undefined) throw new KnackError(`a random key is made of integers and strings, not ${wrong}`);
  return createHash("sha256").update(JSON.stringify(key)).digest();
}
