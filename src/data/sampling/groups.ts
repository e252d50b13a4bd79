import { JoinedSets } from "../../base/joined-sets.js";

/** Says of an item what it belongs to; undefined where to nothing. */
export type GroupOf = (index: number) => string | number | undefined;

/** What is together by one kind of group or by another, directly or by way of others, is together: the number of its first. */
export function joinedGroups(count: number, kinds: readonly GroupOf[]): (index: number) => number {
  const sets = new JoinedSets(count);
  for (const groupOf of kinds) {
    const firsts = new Map<string | number, number>();
    for (let index = 0; index < count; index++) {
      const group = groupOf(index);
      if (group === undefined) continue;
      const first = firsts.get(group);
      if (first === undefined) firsts.set(group, index);
      else sets.join(first, index);
    }
  }
  return (index) => sets.firstOf(index);
}
