import type { BatchContent, BatchMaking } from "../kinds/kind.js";
import { kindOf } from "../kinds/kinds.js";
import type { Split } from "../split.js";

/** What a batch is made from: all of it is plain data that can be handed to a worker. */
export interface BatchSource extends BatchMaking {
  readonly set: Split;
}

/**
 * The images `indices` of a set. What becomes of an image depends only on (seed, epoch, its index in the set, its repeat), so it
 * does not matter who makes the batch, when, or which other images are in it.
 *
 * A photograph that cannot be read is left out of an evaluation. In training another one of the set, drawn at random, takes its
 * place with its own label, so that the batch keeps its size.
 *
 * @param repeats how often the epoch had each image before, where it has some more than once: each time they are changed anew
 * @throws InputError in training, where twenty photographs drawn for one that cannot be read cannot be read either.
 */
export async function makeBatch(
  source: BatchSource,
  epoch: number,
  indices: Uint32Array,
  repeats: Uint32Array = new Uint32Array(indices.length),
): Promise<BatchContent> {
  return kindOf(source.set).makeBatch(source.set, source, epoch, indices, repeats);
}
