import { classesOfLabel, type LabelSets } from "../../data/split.js";
import { type ClassSeparation, separationBy } from "../one-against-rest.js";
import { type ClassRanking, rankingBy } from "../scores.js";

/** A logit's probability: 1 / (1 + exp(-x)). */
export function sigmoidOf(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** The probabilities of all classes for all images of an evaluation, each class for itself; ranked where somebody asks. */
export class LabelScores {
  /** [images, classes] 1 where an image shows a class. */
  readonly #shown: Uint8Array;
  readonly #rankings: (ClassRanking | undefined)[] = [];

  /** @param logits [images, classes]. @param labels indices of label sets */
  constructor(
    private readonly logits: Float32Array,
    private readonly labels: Int32Array,
    labelSets: LabelSets,
    private readonly classes: number,
  ) {
    this.#shown = new Uint8Array(labels.length * classes);
    for (const [image, label] of labels.entries()) {
      for (const each of classesOfLabel(label, labelSets)) this.#shown[image * classes + each] = 1;
    }
  }

  probability(image: number, label: number): number {
    return sigmoidOf(this.#logit(image, label));
  }

  /** Of all images, in their order. */
  probabilitiesOf(label: number): Float64Array {
    return Float64Array.from(this.labels, (_, image) => this.probability(image, label));
  }

  isShown(image: number, label: number): boolean {
    return this.#shown[image * this.classes + label] === 1;
  }

  /** -sum_k [y_k log p_k + (1 - y_k) log(1 - p_k)], which is max(x, 0) - x y + log(1 + exp(-|x|)) of a logit x. */
  loss(image: number): number {
    let sum = 0;
    for (let label = 0; label < this.classes; label++) {
      const logit = this.#logit(image, label);
      sum += Math.max(logit, 0) - (this.isShown(image, label) ? logit : 0) + Math.log1p(Math.exp(-Math.abs(logit)));
    }
    return sum;
  }

  /** How well the probability of a class tells the images that show it from the others. By logits, which have more digits where a probability is near 1. */
  separationOf(label: number, weights: Float64Array): ClassSeparation {
    const isShown = (image: number) => this.isShown(image, label);
    this.#rankings[label] ??= rankingBy(
      Float64Array.from(this.labels, (_, image) => this.#logit(image, label)),
      isShown,
    );
    return separationBy(this.#rankings[label], isShown, weights);
  }

  #logit(image: number, label: number): number {
    return this.logits[image * this.classes + label] as number;
  }
}
