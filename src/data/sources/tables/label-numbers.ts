import type { LabelSets } from "../../split.js";
import { sortedClasses } from "./class-labels.js";

/** Numbers for what rows are labelled with, one label each or sets of them, in the order in which it first occurs. */
export class LabelNumbers {
  readonly #numbers = new Map<string, number>();
  readonly #sets: (readonly string[])[] = [];
  readonly #names = new Set<string>();

  /** How many different ones there are. */
  get count(): number {
    return this.#sets.length;
  }

  /** The names of labels, in the order in which they first occur. */
  get names(): string[] {
    return [...this.#names];
  }

  /** The number that these labels have, or will have once they are added. */
  numberOf(labels: readonly string[]): number {
    return this.#numbers.get(keyOf(labels)) ?? this.#sets.length;
  }

  add(labels: readonly string[]): void {
    if (this.numberOf(labels) < this.#sets.length) return;
    this.#numbers.set(keyOf(labels), this.#sets.push(labels) - 1);
    for (const label of labels) this.#names.add(label);
  }

  /** The classes in their order, and for each number what it stands for. */
  sorted(): { readonly classes: readonly string[]; readonly labelSets: LabelSets } {
    const classes = sortedClasses(this.names);
    const ranks = new Map(classes.map((name, rank) => [name, rank]));
    const labelSets = this.#sets.map((labels) =>
      labels.map((label) => ranks.get(label) as number).sort((a, b) => a - b),
    );
    return { classes, labelSets };
  }
}

function keyOf(labels: readonly string[]): string {
  return labels.toSorted().join("\0");
}
