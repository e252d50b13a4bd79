import { counted } from "../../../base/printable.js";

/** Pictures that look alike, of those that are divided. */
export interface KeptTogether {
  /** A picture's group by its name; undefined where it is alone. */
  readonly of: (name: string) => number | undefined;
  /** For people, each a part of a sentence. */
  readonly words: readonly string[];
}

/** Of a larger share of a class's pictures, that they look alike says no more of the class than its name does. */
const MOST_OF_CLASS = 0.5;

/**
 * Which pictures that look alike are kept together: not those of a group with more than half of a class, as where all pictures of a class
 * are one drawing in other strokes, which could not be divided any more.
 *
 * @param alike of pictures that look like others a number of their group, by name
 * @param pictures what is divided
 */
export function keptTogether(
  alike: ReadonlyMap<string, number>,
  pictures: readonly { readonly name: string; readonly labels: readonly number[] }[],
): KeptTogether {
  const classes = new Map<number, number>();
  const groups = new Map<number, { size: number; labels: Map<number, number> }>();
  for (const { name, labels } of pictures) {
    for (const label of labels) addOne(classes, label);
    const number = alike.get(name);
    if (number === undefined) continue;
    const group = groups.get(number) ?? { size: 0, labels: new Map<number, number>() };
    group.size++;
    for (const label of labels) addOne(group.labels, label);
    groups.set(number, group);
  }
  const several = [...groups].filter(([, { size }]) => size > 1);
  const isTooMuch = ({ labels }: { labels: ReadonlyMap<number, number> }) =>
    [...labels].some(([label, count]) => count > MOST_OF_CLASS * (classes.get(label) ?? 0));
  const kept = new Map(several.filter(([, group]) => !isTooMuch(group)));
  const sum = (all: Iterable<{ size: number }>) =>
    [...all].reduce((total, { size }) => total + size, 0).toLocaleString("en");
  const others = several.flatMap(([, group]) => (isTooMuch(group) ? [group] : []));
  return {
    of: (name) => {
      const number = alike.get(name);
      return number !== undefined && kept.has(number) ? number : undefined;
    },
    words: [
      ...(kept.size > 0
        ? [`${counted(kept.size, "group")} of pictures that look alike (${sum(kept.values())}) kept together`]
        : []),
      ...(others.length > 0
        ? [`${sum(others)} pictures look like more than half of their class, and are not kept together`]
        : []),
    ],
  };
}

function addOne(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
