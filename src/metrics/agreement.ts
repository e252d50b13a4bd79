import { type ClassCounts, classCountsOf } from "./class-counts.js";
import type { Metric } from "./metric.js";
import { imagesOf, sumOver, type Truth } from "./outcomes.js";

/** How bad it is to take a class for another. */
interface Distance {
  /** Of two classes whose numbers differ by so much; 0 of none. */
  readonly of: (steps: number) => number;
  /** The sum over all pairs of classes of the images of the one, times the images taken for the other, times their distance. */
  readonly overPairs: (counts: readonly ClassCounts[]) => number;
}

/**
 * Cohen's kappa: 1 less what the network is wrong by, relative to what guessing would be wrong by that takes as many images for each class.
 *
 *     kappa = 1 - sum_ij w_ij O_ij / sum_ij w_ij E_ij, E_ij = images_i taken_j / n
 *
 * The numbers of classes say how far they are apart, also where there are no images of one between them.
 */
export function agreement(about: Omit<Metric, "value" | "undefinedFor">, distance: Distance): Metric {
  return {
    ...about,
    undefinedFor: oneClass,
    value: (outcomes) => {
      const { labels, predicted } = outcomes;
      const steps = (image: number) => Math.abs((labels[image] as number) - (predicted[image] as number));
      const observed = sumOver(outcomes, (image) => distance.of(steps(image)));
      return 1 - (observed * imagesOf(outcomes)) / distance.overPairs(classCountsOf(outcomes));
    },
  };
}

/** Why what tells classes apart has no value for images of one. */
export function oneClass({ labels }: Truth): string | undefined {
  for (let image = 1; image < labels.length; image++) if (labels[image] !== labels[0]) return undefined;
  return "all images are of one class";
}
