import { assigned, type ClassFound, type Labelled } from "./assignment.js";

/**
 * Chooses the validation items of each class: round(fraction x items of the class), but at least one and never all where the
 * class has two or more; with groups as near to that as they allow, and none of a class that is one group.
 *
 * @returns indices in ascending order
 */
export function stratifiedSplit(
  items: Labelled,
  fraction: number,
  seed: number,
): { train: Uint32Array; validation: Uint32Array } {
  const wanted = ({ items: count, groups }: ClassFound) => {
    const held = groups < 2 ? 0 : heldOut(count, fraction);
    return [held, count - held];
  };
  const partOf = assigned(items, wanted, seed);
  const all = Uint32Array.from(partOf.keys());
  return { train: all.filter((index) => partOf[index] === 1), validation: all.filter((index) => partOf[index] === 0) };
}

function heldOut(count: number, fraction: number): number {
  return Math.min(count - 1, Math.max(1, Math.round(fraction * count)));
}
