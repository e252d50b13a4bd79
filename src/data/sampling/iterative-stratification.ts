import { seedFor } from "../../tensor/random.js";
import { classesOfLabel, type LabelSets } from "../split.js";
import type { Labelled } from "./assignment.js";

/** Things that go into one part together: a group, or one thing alone. */
interface Together {
  readonly members: readonly number[];
  /** How many of each class. */
  readonly counts: ReadonlyMap<number, number>;
  readonly key: number;
}

/**
 * Divides things of any number of classes into parts, each with its share of each class, and no group in two: iterative stratification
 * (Sechidis, Tsoumakas and Vlahavas 2011, On the Stratification of Multi-Label Data, algorithm 1).
 *
 * As long as there are things with labels, those of the class of which fewest are left come next, one after the other, and each goes to the part that
 * wants most of that class, of equal ones to the one that wants most things at all, then by chance. Things without labels come last. So rare
 * classes, which nothing could put right later, are divided first. A group is wanted as often as it has things.
 *
 * What is by chance follows from (seed, the things' names).
 *
 * @param shares of the parts, 1 together
 * @returns the part of each thing
 */
export function iterativelyStratified(
  items: Labelled,
  labelSets: LabelSets,
  shares: readonly number[],
  seed: number,
): Uint16Array {
  const left = new Set(unitsOf(items, labelSets, seed));
  const wanted = shares.map((share) => share * items.count);
  const classes = 1 + Math.max(-1, ...labelSets.flat());
  const remaining = new Float64Array(classes);
  for (const { counts } of left)
    for (const [label, count] of counts) remaining[label] = (remaining[label] as number) + count;
  const wantedOf = Array.from(remaining, (count) => shares.map((share) => share * count));

  const partOf = new Uint16Array(items.count);
  const place = (unit: Together, of: readonly number[]) => {
    const part = neediest(of, wanted, unit.key);
    left.delete(unit);
    wanted[part] = (wanted[part] as number) - unit.members.length;
    for (const [label, count] of unit.counts) {
      const each = wantedOf[label] as number[];
      each[part] = (each[part] as number) - count;
      remaining[label] = (remaining[label] as number) - count;
    }
    for (const index of unit.members) partOf[index] = part;
  };
  for (let rarest = leastLeft(remaining); rarest !== undefined; rarest = leastLeft(remaining)) {
    const label = rarest;
    const next = [...left].filter(({ counts }) => counts.has(label));
    for (const unit of next) place(unit, wantedOf[label] as number[]);
  }
  for (const unit of [...left]) place(unit, wanted);
  return partOf;
}

/** The largest groups first, then by chance. */
function unitsOf(items: Labelled, labelSets: LabelSets, seed: number): Together[] {
  const byGroup = new Map<number | string, number[]>();
  for (let index = 0; index < items.count; index++) {
    const group = items.group?.(index) ?? `alone ${index}`;
    const members = byGroup.get(group);
    if (members) members.push(index);
    else byGroup.set(group, [index]);
  }
  const units = Array.from(byGroup.values(), (members): Together => {
    const counts = new Map<number, number>();
    for (const index of members) {
      for (const label of classesOfLabel(items.label(index), labelSets))
        counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const key = members.reduce((least, index) => Math.min(least, seedFor(seed, "split", items.name(index))), 2 ** 32);
    return { members, counts, key };
  });
  return units.sort((a, b) => b.members.length - a.members.length || a.key - b.key);
}

/** The class of which fewest are left, but some; of equal ones the first. */
function leastLeft(remaining: Float64Array): number | undefined {
  const some = remaining.filter((count) => count > 0);
  return some.length === 0 ? undefined : remaining.indexOf(some.reduce((a, b) => Math.min(a, b)));
}

/** @param wantedOf what parts want of a class. @param wanted what they want of all. @param key decides between equals */
function neediest(wantedOf: readonly number[], wanted: readonly number[], key: number): number {
  const best = atMost(wantedOf, [...wantedOf.keys()]);
  const emptiest = atMost(wanted, best);
  return emptiest[key % emptiest.length] as number;
}

/** Of these parts those that want most. */
function atMost(wanted: readonly number[], parts: readonly number[]): number[] {
  const most = Math.max(...parts.map((part) => wanted[part] as number));
  return parts.filter((part) => wanted[part] === most);
}
