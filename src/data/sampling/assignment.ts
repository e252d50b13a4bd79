import { seedFor } from "../../tensor/random.js";
import type { LabelSets } from "../split.js";

/** What is to be divided: named things, each of a class, some of which belong together. */
export interface Labelled {
  readonly count: number;
  label(index: number): number;
  /** Where things may be of several classes: what their labels stand for. */
  readonly labelSets?: LabelSets | undefined;
  name(index: number): string;
  /** A number for those that stay together; undefined for what is alone. */
  readonly group?: ((index: number) => number | undefined) | undefined;
}

/** How much there is of a class. */
export interface ClassFound {
  readonly label: number;
  readonly items: number;
  /** Groups of it, where each single item is one. */
  readonly groups: number;
}

/** More passes over the groups better next to nothing. */
const PASSES = 10;

/** Things that go into one part together. */
interface Together {
  readonly members: readonly number[];
  /** How many of each class. */
  readonly counts: ReadonlyMap<number, number>;
  readonly key: number;
}

/**
 * Divides items into parts, each with its share of each class, and no group in two.
 *
 * Each item has a random key that depends only on (seed, its name). Groups of several come first, the largest first: each goes where
 * its classes then are nearest to their shares, by sum over classes and parts of (has - wants)^2 / (wants x items of the class), and moves
 * as long as that grows smaller. Single
 * items then fill what is left, class by class: those with the smallest keys the first part, and so on. Adding or removing single items
 * therefore moves few others. At last, a part that has nothing of a class gets the smallest group of it that others can do without.
 *
 * @param wantedOf how many of a class's items each part is to have, in whole numbers
 * @returns the part of each item
 */
export function assigned(
  items: Labelled,
  wantedOf: (found: ClassFound) => readonly number[],
  seed: number,
): Uint16Array {
  const keys = Uint32Array.from({ length: items.count }, (_, index) => seedFor(seed, "split", items.name(index)));
  const { groups, single } = groupsOf(items, keys);
  const classes = classesIn(items, groups, single);
  const wanted = classes.map(wantedOf);
  const parts = new Parts(
    wanted,
    classes.map(({ items: count }) => count),
  );
  const partOf = new Uint16Array(items.count);
  const placed = groups.map(({ counts }) => {
    const part = parts.bestFor(counts);
    parts.add(part, counts);
    return part;
  });
  improve(parts, groups, placed);
  for (const [at, { members }] of groups.entries()) for (const index of members) partOf[index] = placed[at] as number;
  // By class, and by key in each class.
  single.sort((a, b) => items.label(a) - items.label(b) || (keys[a] as number) - (keys[b] as number) || a - b);
  for (let start = 0, end = 0; start < single.length; start = end) {
    const label = items.label(single[start] as number);
    while (end < single.length && items.label(single[end] as number) === label) end++;
    let next = start;
    for (const [part, room] of parts.roomFor(label, end - start).entries()) {
      for (const index of single.subarray(next, next + room)) partOf[index] = part;
      parts.add(part, new Map([[label, room]]));
      next += room;
    }
  }
  if (groups.length > 0) fillEmpty(items, parts, partOf, groups, single);
  return partOf;
}

function groupsOf(items: Labelled, keys: Uint32Array): { groups: Together[]; single: Uint32Array } {
  const sizes = new Map<number, number>();
  const groupOf = (index: number) => items.group?.(index);
  for (let index = 0; index < items.count; index++) {
    const group = groupOf(index);
    if (group !== undefined) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  const byNumber = new Map<number, number[]>();
  const alone = new Uint8Array(items.count).fill(1);
  for (let index = 0; index < items.count; index++) {
    const group = groupOf(index);
    if (group === undefined || (sizes.get(group) ?? 0) < 2) continue;
    alone[index] = 0;
    const members = byNumber.get(group);
    if (members) members.push(index);
    else byNumber.set(group, [index]);
  }
  const groups = Array.from(byNumber.values(), (members) => {
    const key = members.reduce((least, index) => Math.min(least, keys[index] as number), 2 ** 32);
    return together(items, members, key);
  });
  groups.sort(
    (a, b) =>
      b.members.length - a.members.length || a.key - b.key || (a.members[0] as number) - (b.members[0] as number),
  );
  return { groups, single: Uint32Array.from(alone.keys()).filter((index) => alone[index] === 1) };
}

function classesIn(items: Labelled, groups: readonly Together[], single: Uint32Array): ClassFound[] {
  const found: { label: number; items: number; groups: number }[] = [];
  const add = (label: number, count: number) => {
    while (found.length <= label) found.push({ label: found.length, items: 0, groups: 0 });
    const each = found[label] as (typeof found)[0];
    each.items += count;
    each.groups++;
  };
  for (const index of single) add(items.label(index), 1);
  for (const { counts } of groups) for (const [label, count] of counts) add(label, count);
  return found;
}

function together(items: Labelled, members: readonly number[], key: number): Together {
  const counts = new Map<number, number>();
  for (const index of members) counts.set(items.label(index), (counts.get(items.label(index)) ?? 0) + 1);
  return { members, counts, key };
}

/** How many items of each class each part has so far. */
class Parts {
  readonly #has: number[][];
  readonly #sizes: number[];
  readonly #wantedSizes: number[];

  constructor(
    /** Of each class, of each part. */
    readonly wanted: readonly (readonly number[])[],
    private readonly counts: readonly number[],
  ) {
    const parts = Math.max(0, ...wanted.map(({ length }) => length));
    this.#has = wanted.map((each) => each.map(() => 0));
    this.#sizes = Array.from({ length: parts }, () => 0);
    this.#wantedSizes = this.#sizes.map((_, part) => wanted.reduce((sum, each) => sum + (each[part] ?? 0), 0));
  }

  has(label: number, part: number): number {
    return this.#has[label]?.[part] ?? 0;
  }

  add(part: number, counts: ReadonlyMap<number, number>, sign = 1): void {
    for (const [label, count] of counts) {
      const has = this.#has[label] as number[];
      has[part] = (has[part] as number) + sign * count;
      this.#sizes[part] = (this.#sizes[part] as number) + sign * count;
    }
  }

  /** Where things are missed most; of equal parts the emptiest. */
  bestFor(counts: ReadonlyMap<number, number>): number {
    const costs = this.#sizes.map((_, part) => this.costOf(part, counts));
    const least = Math.min(...costs);
    const fullness = this.#sizes.map((size, part) => size / (this.#wantedSizes[part] as number));
    const best = costs.flatMap((cost, part) => (cost === least ? [part] : []));
    return best.reduce((a, b) => ((fullness[b] as number) < (fullness[a] as number) ? b : a));
  }

  /** How single items of a class are spread: what is wanted and not there, where there is as much. */
  roomFor(label: number, items: number): number[] {
    const wanted = this.wanted[label] as readonly number[];
    const room = wanted.map((each, part) => Math.max(0, each - this.has(label, part)));
    const fullness = (part: number) => (this.has(label, part) + (room[part] as number)) / (wanted[part] as number);
    for (let tooMuch = room.reduce((sum, each) => sum + each, 0) - items; tooMuch > 0; tooMuch--) {
      const withRoom = [...room.keys()].filter((part) => (room[part] as number) > 0);
      const fullest = withRoom.reduce((a, b) => (fullness(b) >= fullness(a) ? b : a));
      room[fullest] = (room[fullest] as number) - 1;
    }
    return room;
  }

  /** What a part becomes worse by when these come into it; below 0 where it becomes better. */
  costOf(part: number, counts: ReadonlyMap<number, number>): number {
    let cost = 0;
    for (const [label, count] of counts) {
      const wanted = this.wanted[label]?.[part] ?? 0;
      const missing = wanted - this.has(label, part);
      cost += (count * (count - 2 * missing)) / (Math.max(wanted, Number.MIN_VALUE) * (this.counts[label] as number));
    }
    return cost;
  }
}

/** Groups go to where they are missed more, as long as there is such a part. */
function improve(parts: Parts, groups: readonly Together[], placed: number[]): void {
  for (let pass = 0, moved = true; moved && pass < PASSES; pass++) {
    moved = false;
    for (const [at, { counts }] of groups.entries()) {
      const from = placed[at] as number;
      parts.add(from, counts, -1);
      const best = parts.bestFor(counts);
      const to = parts.costOf(best, counts) < parts.costOf(from, counts) ? best : from;
      parts.add(to, counts);
      placed[at] = to;
      moved ||= to !== from;
    }
  }
}

/** Parts that want something of a class and have nothing get its smallest group from a part that keeps others of each class. */
function fillEmpty(
  items: Labelled,
  parts: Parts,
  partOf: Uint16Array,
  groups: readonly Together[],
  single: Uint32Array,
): void {
  for (const [label, wanted] of parts.wanted.entries()) {
    for (const [part, wants] of wanted.entries()) {
      if (wants === 0 || parts.has(label, part) > 0) continue;
      const alone = Array.from(single).filter((index) => items.label(index) === label);
      const candidates = [...alone.map((index) => together(items, [index], 0)), ...groups.toReversed()];
      const spared = candidates.find(({ members, counts }) => {
        const from = partOf[members[0] as number] as number;
        return counts.has(label) && [...counts].every(([each, count]) => parts.has(each, from) > count);
      });
      if (spared === undefined) continue;
      parts.add(partOf[spared.members[0] as number] as number, spared.counts, -1);
      parts.add(part, spared.counts);
      for (const index of spared.members) partOf[index] = part;
    }
  }
}
