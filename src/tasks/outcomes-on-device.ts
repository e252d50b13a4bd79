import { MOST_SCORES, type Outcomes } from "../metrics/outcomes.js";
import { Scores } from "../metrics/scores.js";
import {
  clone,
  concatenate,
  descendingOrder,
  equal,
  full,
  gather,
  logSoftmax,
  mul,
  narrow,
  sum,
  toDevice,
  toDType,
  unsqueeze,
} from "../tensor/ops.js";
import type { DType } from "../tensor/dtype.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import type { OutcomesCollection } from "./task.js";

/** The outcomes of the batches so far. They stay on the device while batches come: reading them would wait for it, so that happens at the end. */
export class OutcomesOnDevice implements OutcomesCollection {
  readonly #labels: Int32Array[] = [];
  /** Of each batch [N, 4]: predicted class, rank of the label, and the logarithms of the probabilities of the label and of the predicted class. */
  readonly #columns: Tensor[] = [];
  /** Of each batch; none where all of them are too many. */
  readonly #logits: Tensor[] = [];
  readonly #places: Tensor;
  #images = 0;

  constructor(
    private readonly classes: number,
    device: string,
    private readonly mostScores = MOST_SCORES,
  ) {
    this.#places = scope(() => toDevice(Tensor.from(Float64Array.from({ length: classes }, (_, at) => at)), device));
    this.#places.keep();
  }

  get images(): number {
    return this.#images;
  }

  add(logits: Tensor, labels: Tensor, known: ArrayLike<number>): void {
    this.#images += known.length;
    this.#labels.push(Int32Array.from(known));
    this.#columns.push(scope(() => columnsOf(logits, unsqueeze(labels, 1), this.#places)).keep());
    if (this.#images * this.classes <= this.mostScores) this.#logits.push(clone(toDType(logits, "float32")).keep());
    else for (const each of this.#logits.splice(0)) each.dispose();
  }

  gather(gathered: (rows: Tensor) => Tensor): void {
    const { classes } = this;
    const images = scope(() => gathered(Tensor.from(Float64Array.of(this.#images, this.#logits.length))).toArray());
    const total = images.reduce((sum, count, at) => (at % 2 === 0 ? sum + count : sum), 0);
    const kept = images.every((_, at) => at % 2 === 1 || images[at] === 0 || (images[at + 1] as number) > 0);
    const all = (own: Tensor[], width: number, dtype: DType) =>
      scope(() => gathered(own.length === 0 ? full([0, width], 0, dtype) : concatenate(own, 0))).keep();
    const labels = scope(() =>
      gathered(Tensor.from(Int32Array.from(this.#labels.flatMap((each) => [...each])))).toArray(),
    );
    const columns = all(this.#columns, 4, "float64");
    const logits = kept && total * classes <= this.mostScores ? [all(this.#logits, classes, "float32")] : [];
    for (const each of [...this.#columns.splice(0), ...this.#logits.splice(0)]) each.dispose();
    this.#images = total;
    this.#labels.splice(0, Infinity, Int32Array.from(labels));
    this.#columns.push(columns);
    this.#logits.push(...logits);
  }

  read(): Outcomes {
    const { classes } = this;
    const read = scope(() => concatenate(this.#columns, 0).toArray());
    const column = (at: number) => Float64Array.from({ length: this.#images }, (_, image) => read[4 * image + at] ?? 0);
    const labels = Int32Array.from(this.#labels.flatMap((each) => [...each]));
    return {
      classes,
      weights: new Float64Array(labels.length).fill(1),
      labels,
      predicted: Int32Array.from(column(0)),
      ranks: Int32Array.from(column(1)),
      losses: column(2).map((logarithm) => 0 - logarithm),
      confidences: column(3).map(Math.exp),
      scores: this.#logits.length === 0 ? undefined : new Scores(this.#readLogits(), labels, classes),
    };
  }

  [Symbol.dispose](): void {
    for (const each of [this.#places, ...this.#columns, ...this.#logits]) each.dispose();
  }

  /** Batch by batch: they are not held twice. */
  #readLogits(): Float32Array {
    const all = new Float32Array(this.#images * this.classes);
    let read = 0;
    for (const logits of this.#logits) {
      const { buffer, byteOffset } = logits.bytes();
      all.set(new Float32Array(buffer, byteOffset, logits.size), read);
      read += logits.size;
      logits.dispose();
    }
    return all;
  }
}

/** @param own the labels, [N, 1]. @param places 0 .. classes-1, float64 */
function columnsOf(logits: Tensor, own: Tensor, places: Tensor): Tensor {
  const order = descendingOrder(logits);
  const first = narrow(order, 1, 0, 1);
  const rank = sum(mul(equal(order, own), places), [1], true);
  const logarithms = logSoftmax(toDType(logits, "float64"), 1);
  return concatenate([toDType(first, "float64"), rank, gather(logarithms, 1, own), gather(logarithms, 1, first)], 1);
}
