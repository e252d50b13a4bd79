/** What images are labelled with, and so what a network for them learns and how it is measured. */
import type { LabelledSet } from "../data/split.js";
import type { AnyOutcomes } from "../metrics/index.js";
import type { MetricFacts } from "../metrics/metric.js";
import type { Tensor } from "../tensor/tensor.js";

/** A loss of float32 logits [N, K] against targets [N, K]: a scalar, the mean over the images. */
export type Criterion = (logits: Tensor, targets: Tensor) => Tensor;

/** One value a file. Which one is for a data set or a checkpoint, `index.ts` says. */
export interface Task {
  /** As files call it. */
  readonly name: "single-label" | "multi-label";
  /** What images of it have: "one label a picture" */
  readonly words: string;
  /** Whose targets are high, and whose low: ["the true class", "each other"] */
  readonly whose: readonly [string, string];
  /** What `loss` is called: "cross-entropy". */
  readonly lossName: string;
  /** What is measured, in the order in which it is shown. */
  readonly metrics: readonly MetricFacts[];
  /** The one of them that decides on the best epoch, where nobody says. */
  readonly select: string;
  /** Among how many answers a target chooses: the classes, or for each class yes and no. */
  readonly answers: (classes: number) => number;
  readonly targets: (set: LabelledSet, device: string) => Targets;
  readonly loss: Criterion;
  /** What the loss compares with the targets, [N, K]. */
  readonly probabilities: (logits: Tensor) => Tensor;
  /** @param thresholds from which probability on an image is taken for each class, where that is a matter of each class */
  readonly outcomes: (
    set: Pick<LabelledSet, "classes" | "labelSets">,
    device: string,
    thresholds?: readonly number[],
  ) => OutcomesCollection;
}

/** What labels stand for in the loss. */
export interface Targets extends Disposable {
  /** @param labels [N] int64. @returns [N, K] float32 of 0 and 1 */
  of(labels: Tensor): Tensor;
}

/** The outcomes of the batches of an evaluation so far. They stay on the device while batches come. */
export interface OutcomesCollection extends Disposable {
  readonly images: number;
  /**
   * @param logits [N, classes], on the device; what is kept of them is copied
   * @param labels [N] int64, on the device
   * @param known the same labels here
   */
  add(logits: Tensor, labels: Tensor, known: ArrayLike<number>): void;
  /** Puts those of all processes, in their order, in the place of this one's. @param gathered gives the rows of all processes for those of this one */
  gather(gathered: (rows: Tensor) => Tensor): void;
  /** Of all images that were added, at least one. */
  read(): AnyOutcomes;
}
