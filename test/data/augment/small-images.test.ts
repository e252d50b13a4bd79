import assert from "node:assert/strict";
import { test } from "node:test";
import { augmentInto, type ImageAugmentation } from "../../../src/data/augment/image-transform.js";
import { type Random, randomFor } from "../../../src/tensor/random.js";

/** A stream that gives these numbers. */
function scripted(integers: number[], uniform = 0.9): Random {
  return { integer: () => integers.shift() ?? 0, uniform: () => uniform };
}

const shape = { height: 3, width: 3, channels: 1 } as const;
const image = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
const augmented = (augmentation: ImageAugmentation, random: Random) => {
  const out = new Uint8Array(9).fill(99);
  augmentInto(out, image, shape, augmentation, random);
  return [...out];
};

test("cuts the window out of the zero-padded image, then mirrors it", () => {
  // Padded by 1 to 5x5; the window at top 0, left 2 begins a row above the image and a column right of its left edge.
  assert.deepEqual(augmented({ crop: 1, flip: false }, scripted([0, 2])), [0, 0, 0, 2, 3, 0, 5, 6, 0]);
  assert.deepEqual(augmented({ crop: 1, flip: true }, scripted([0, 2], 0.4)), [0, 0, 0, 0, 3, 2, 0, 6, 5]);
  assert.deepEqual(augmented({ crop: 2, flip: true }, scripted([4, 0], 0.5)), [0, 0, 7, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(augmented({ crop: 0, flip: true }, scripted([], 0)), [3, 2, 1, 6, 5, 4, 9, 8, 7]);
  assert.deepEqual(augmented({ crop: 0, flip: false }, scripted([])), [...image]);
});

test("mirrors pixels, not channels", () => {
  const out = new Uint8Array(6);
  const rgb = { height: 1, width: 2, channels: 3 } as const;
  augmentInto(out, Uint8Array.of(1, 2, 3, 4, 5, 6), rgb, { crop: 0, flip: true }, scripted([], 0));
  assert.deepEqual([...out], [4, 5, 6, 1, 2, 3]);
});

test("every window is as likely as any other, and half are mirrored", () => {
  const seen = new Map<string, number>();
  for (let i = 0; i < 9000; i++) {
    const out = augmented({ crop: 1, flip: true }, randomFor(3, i)).join();
    seen.set(out, (seen.get(out) ?? 0) + 1);
  }
  assert.equal(seen.size, 18);
  for (const count of seen.values()) assert(Math.abs(count - 500) < 110, `${count}`); // 5 standard deviations
});
