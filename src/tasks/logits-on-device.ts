import type { LabelSets } from "../data/split.js";
import { type LabelSetOutcomes, labelSetOutcomes } from "../metrics/several/label-set-outcomes.js";
import { clone, concatenate, full, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import type { OutcomesCollection } from "./task.js";

/** The logits of the batches so far, all that can be said of images with several labels follows from. 4 bytes for each class of each image. */
export class LogitsOnDevice implements OutcomesCollection {
  readonly #labels: number[] = [];
  readonly #logits: Tensor[] = [];

  constructor(
    private readonly classes: number,
    private readonly labelSets: LabelSets,
    private readonly thresholds: readonly number[] | undefined,
  ) {}

  get images(): number {
    return this.#labels.length;
  }

  add(logits: Tensor, _: Tensor, known: ArrayLike<number>): void {
    this.#labels.push(...Array.from(known));
    this.#logits.push(clone(toDType(logits, "float32")).keep());
  }

  gather(gathered: (rows: Tensor) => Tensor): void {
    const labels = scope(() => gathered(Tensor.from(Int32Array.from(this.#labels))).toArray());
    const own = () => (this.#logits.length === 0 ? full([0, this.classes], 0) : concatenate(this.#logits, 0));
    const logits = scope(() => gathered(own())).keep();
    for (const each of this.#logits.splice(0)) each.dispose();
    this.#labels.splice(0, Infinity, ...labels);
    this.#logits.push(logits);
  }

  read(): LabelSetOutcomes {
    const all = new Float32Array(this.images * this.classes);
    let read = 0;
    for (const logits of this.#logits) {
      all.set(logits.toArray(), read);
      read += logits.size;
    }
    const { classes, labelSets } = this;
    return labelSetOutcomes(all, { labels: Int32Array.from(this.#labels), labelSets, classes }, this.thresholds);
  }

  [Symbol.dispose](): void {
    for (const logits of this.#logits) logits.dispose();
  }
}
