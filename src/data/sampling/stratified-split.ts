import { seedFor } from "../../tensor/random.js";

/** What is to be split: named things, each of a class. */
export interface Labelled {
  readonly count: number;
  label(index: number): number;
  name(index: number): string;
}

/**
 * Chooses the validation items of each class: round(fraction x items of the class), but at least one and never all where the
 * class has two or more.
 *
 * Each item has a random key that depends only on (seed, its name), and a class gives those with the smallest keys. Adding or
 * removing items therefore moves few others: those of the class whose keys are next to the border.
 *
 * @returns indices in ascending order
 */
export function stratifiedSplit(
  items: Labelled,
  fraction: number,
  seed: number,
): { train: Uint32Array; validation: Uint32Array } {
  const keys = Uint32Array.from({ length: items.count }, (_, index) => seedFor(seed, "split", items.name(index)));
  // By class, and by key in each class.
  const order = Uint32Array.from(keys.keys()).sort(
    (a, b) => items.label(a) - items.label(b) || (keys[a] as number) - (keys[b] as number) || a - b,
  );
  const held = new Uint8Array(items.count);
  for (let start = 0, end = 0; start < order.length; start = end) {
    const label = items.label(order[start] as number);
    while (end < order.length && items.label(order[end] as number) === label) end++;
    for (const index of order.subarray(start, start + heldOut(end - start, fraction))) held[index] = 1;
  }
  const all = Uint32Array.from(keys.keys());
  return { train: all.filter((index) => held[index] === 0), validation: all.filter((index) => held[index] === 1) };
}

function heldOut(count: number, fraction: number): number {
  return Math.min(count - 1, Math.max(1, Math.round(fraction * count)));
}
