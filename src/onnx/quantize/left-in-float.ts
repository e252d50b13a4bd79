import type { Quality } from "./quality.js";

/**
 * The layers to leave in float, as few as do: the first of `layers`, of which more and more are tried where fewer lost too much. Found by
 * halving, in some log2(layers) trials.
 *
 * @param layers those that lose most first
 * @param trial measures the model with some in float
 * @param isGood whether so little is lost that it may be
 * @returns undefined where not even the last layer alone may be in integers
 */
export async function leastInFloat(
  layers: readonly string[],
  trial: (inFloat: ReadonlySet<string>) => Promise<Quality>,
  isGood: (quality: Quality) => boolean,
): Promise<{ readonly inFloat: ReadonlySet<string>; readonly quality: Quality } | undefined> {
  let found: { inFloat: ReadonlySet<string>; quality: Quality } | undefined;
  let [tooFew, most] = [0, layers.length];
  while (most - tooFew > 1) {
    const count = Math.floor((tooFew + most) / 2);
    const inFloat = new Set(layers.slice(0, count));
    const quality = await trial(inFloat);
    if (isGood(quality)) [found, most] = [{ inFloat, quality }, count];
    else tooFew = count;
  }
  return found;
}

/** The layers by how much each does to the logits when it alone is in integers, the worst first. */
export async function byLoss(
  layers: readonly string[],
  trial: (inFloat: ReadonlySet<string>) => Promise<Quality>,
): Promise<string[]> {
  const errors: { layer: string; error: number }[] = [];
  for (const layer of layers) {
    const { error } = await trial(new Set(layers.filter((other) => other !== layer)));
    errors.push({ layer, error });
  }
  return errors.sort((a, b) => b.error - a.error).map(({ layer }) => layer);
}
