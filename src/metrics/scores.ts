/** Where each image stands by its probability of one class, among the images of that class. */
export interface ClassRanking {
  /**
   * An image's place: 2 i + 1 where its probability is the i-th lowest that an image of the class has, 2 i where it lies below that and above the ones before. So
   * images of one place are as good as one, and no image of the class has an even place.
   */
  readonly places: Int32Array;
  /** The number of places. */
  readonly count: number;
}

/** The softmax probabilities of all classes for all images of an evaluation, ranked class by class where somebody asks. */
export class Scores {
  readonly #highest: Float64Array;
  readonly #sums: Float64Array;
  readonly #rankings: (ClassRanking | undefined)[] = [];

  /** @param logits [images, classes] */
  constructor(
    readonly logits: Float32Array,
    private readonly labels: Int32Array,
    private readonly classes: number,
  ) {
    this.#highest = new Float64Array(labels.length).fill(Number.NEGATIVE_INFINITY);
    this.#sums = new Float64Array(labels.length);
    for (let image = 0; image < labels.length; image++) {
      const row = logits.subarray(image * classes, (image + 1) * classes);
      const highest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      this.#highest[image] = highest;
      this.#sums[image] = row.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
    }
  }

  rankingOf(label: number): ClassRanking {
    const known = this.#rankings[label];
    if (known) return known;
    const probabilities = Float64Array.from(this.labels, (_, image) => this.#probability(image, label));
    const ranking = rankingBy(probabilities, (image) => this.labels[image] === label);
    this.#rankings[label] = ranking;
    return ranking;
  }

  /** One image's, class by class. */
  probabilitiesOf(image: number): number[] {
    return Array.from({ length: this.classes }, (_, label) => this.#probability(image, label));
  }

  logProbability(image: number, label: number): number {
    return (this.logits[image * this.classes + label] as number) - this.logSum(image);
  }

  /** ln of the sum of exp(logit) over the classes: the negative of an image's free energy. */
  logSum(image: number): number {
    return (this.#highest[image] as number) + Math.log(this.#sums[image] as number);
  }

  #probability(image: number, label: number): number {
    const logit = this.logits[image * this.classes + label] as number;
    return Math.exp(logit - (this.#highest[image] as number)) / (this.#sums[image] as number);
  }
}

/** @param scores of the class, one an image. @param isOwn whether an image is of it */
export function rankingBy(scores: Float64Array, isOwn: (image: number) => boolean): ClassRanking {
  const own = scores.filter((_, image) => isOwn(image)).sort();
  const steps = own.filter((value, index) => value !== own[index - 1]);
  return { places: Int32Array.from(scores, (value) => placeIn(steps, value)), count: 2 * steps.length + 1 };
}

/** @param steps in rising order */
function placeIn(steps: Float64Array, value: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return 2 * low + (steps[low] === value ? 1 : 0);
}
