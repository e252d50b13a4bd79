import { permutation, type Random, randomFor } from "../../tensor/random.js";
import type { LabelledSet } from "../split.js";

/**
 * The images of a training epoch in the order they are seen, of which batches are consecutive parts.
 *
 * @param sampling each image once, or each class equally often
 */
export function epochOrder(
  set: LabelledSet,
  sampling: "shuffle" | "balanced",
  seed: number,
  epoch: number,
): Uint32Array {
  const random = randomFor(seed, "order", epoch);
  return sampling === "balanced"
    ? balancedOrder(set.labels, set.classes.length, random)
    : permutation(set.count, random);
}

/**
 * An epoch's order in which every class comes equally often: as many images as there are, drawn class by class in random order,
 * each class going through its own images in random order before it repeats one.
 *
 * @param labels the images' classes, in 0 ... classes - 1
 */
export function balancedOrder(labels: Int32Array, classes: number, random: Random): Uint32Array {
  const byClass: number[][] = Array.from({ length: classes }, () => []);
  for (const [index, label] of labels.entries()) byClass[label]?.push(index);
  const decks = byClass
    .filter((indices) => indices.length > 0)
    .map((indices) => ({ indices, order: new Uint32Array() as Uint32Array, next: 0 }));
  const draw = (deck: (typeof decks)[number]): number => {
    if (deck.next === deck.order.length) {
      deck.order = permutation(deck.indices.length, random);
      deck.next = 0;
    }
    return deck.indices[deck.order[deck.next++] as number] as number;
  };
  const order = new Uint32Array(labels.length);
  for (let start = 0; start < order.length; start += decks.length) {
    const turn = permutation(decks.length, random);
    for (let i = 0; i < turn.length && start + i < order.length; i++) {
      const deck = decks[turn[i] as number];
      if (deck) order[start + i] = draw(deck);
    }
  }
  return order;
}
