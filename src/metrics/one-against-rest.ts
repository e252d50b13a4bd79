import { meanOf } from "./class-counts.js";
import { MOST_SCORES, type Outcomes, type Truth } from "./outcomes.js";
import type { ClassRanking } from "./scores.js";

/** How well its probability tells a class from all others. NaN where there is nothing to tell apart. */
export interface ClassSeparation {
  /**
   * The area under the ROC curve: how often an image of the class has a higher probability of it than an image of another class, equal ones being
   * half.
   */
  readonly auroc: number;
  /** sum_t (R_t - R_{t-1}) P_t over the probabilities t as thresholds, from the highest on: P is the precision, R the recall of what is at or above t. */
  readonly averagePrecision: number;
}

/** Of each class. @returns undefined where the scores were not kept */
export function separationsOf({ classes, labels, weights, scores }: Outcomes): ClassSeparation[] | undefined {
  if (scores === undefined) return undefined;
  return Array.from({ length: classes }, (_, label) => {
    return separationBy(scores.rankingOf(label), (image) => labels[image] === label, weights);
  });
}

/** The mean over the classes that have a value, so that classes without images are left out. */
export function meanOverClasses(outcomes: Outcomes, key: keyof ClassSeparation): number {
  const values = separationsOf(outcomes)?.map((each) => each[key]) ?? [];
  return meanOf(values.filter((value) => !Number.isNaN(value)));
}

/** Why what is made of scores has no value, where there are too many to keep. */
export function tooManyScores({ classes, labels }: Truth): string | undefined {
  if (classes * labels.length <= MOST_SCORES) return undefined;
  const [images, most] = [labels.length, MOST_SCORES].map((count) => count.toLocaleString("en"));
  return `${images} images of ${classes.toLocaleString("en")} classes have more than ${most} scores`;
}

/** @param isOwn whether an image is of the class */
export function separationBy(
  { places, count }: ClassRanking,
  isOwn: (image: number) => boolean,
  weights: Float64Array,
): ClassSeparation {
  const [own, others] = [new Float64Array(count), new Float64Array(count)];
  for (let image = 0; image < places.length; image++) {
    const [of, place] = [isOwn(image) ? own : others, places[image] as number];
    of[place] = (of[place] as number) + (weights[image] as number);
  }
  let [right, pairs, below] = [0, 0, 0];
  for (let place = 0; place < count; place++) {
    const [here, beside] = [own[place] as number, others[place] as number];
    pairs += here * (below + beside / 2);
    right += here;
    below += beside;
  }
  let [recalled, taken, area] = [0, 0, 0];
  for (let place = count - 1; place >= 0; place--) {
    const here = own[place] as number;
    recalled += here;
    taken += here + (others[place] as number);
    if (here > 0) area += (here * recalled) / taken;
  }
  return { auroc: pairs / (right * below), averagePrecision: below === 0 ? Number.NaN : area / right };
}
