import { createHash } from "node:crypto";
import { InputError, KnackError } from "../base/errors.js";
import { type Rows, rowsOf } from "../data/loading/division.js";
import { BatchNorm2d } from "../nn/layers/batch-norm2d.js";
import { Dropout } from "../nn/layers/dropout.js";
import type { Module, Parameter } from "../nn/module.js";
import { gradientOf, noGradient } from "../tensor/autograd.js";
import { copyInPlace, mulScalar, narrow, toDType } from "../tensor/ops.js";
import type { ProcessGroup } from "../tensor/process-group.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import type { WholeRows } from "./sent-batch.js";

/** How a model is trained by several processes. */
export interface Together {
  readonly group: ProcessGroup;
  /** Whether batch norms take the statistics of the whole batch, and not of each process's rows. */
  readonly syncBatchNorm: boolean;
}

/**
 * One process's copy of a model that several train together. Each computes the gradient of its own rows of a batch; added up they are the gradient of the
 * whole batch, and so all copies take the same step.
 */
export class Replica {
  readonly #group: ProcessGroup;
  readonly #rows: Rows;
  readonly #syncBatchNorm: boolean;

  /**
   * @param images of one part of a step's batch, of all processes together
   * @throws InputError where there are fewer than processes
   */
  constructor(
    { group, syncBatchNorm }: Together,
    private readonly images: number,
  ) {
    this.#group = group;
    this.#syncBatchNorm = syncBatchNorm;
    this.#rows = rowsOf(images, group);
    if (images >= group.size) return;
    throw new InputError(
      `batchSize (--batch-size): a part of a step has ${images} images for ${group.size} processes, and each needs at least one; use a larger batch or a smaller --accumulation`,
    );
  }

  /** Images of a part that are this process's. */
  get ownImages(): number {
    return this.#rows.count;
  }

  /** Its share of the part: what its mean over its rows counts in the mean over the whole. */
  get share(): number {
    return this.#rows.count / this.images;
  }

  /** Has a model's layers take their part in the whole batch. */
  join(model: Module): void {
    const { start } = this.#rows;
    for (const [, layer] of model.modules()) {
      if (layer instanceof Dropout) layer.part = { start, whole: this.images };
      if (layer instanceof BatchNorm2d && this.#syncBatchNorm) {
        layer.synchronised = { normalise: (...input) => this.#group.batchNorm(...input), share: this.share };
      }
    }
  }

  /** What of a batch is fetched from the other processes. @param images whether its images are, too: where tricks mix them */
  wanted(images: boolean): WholeRows {
    const gathered = this.gathered;
    return { labels: gathered, pixels: images ? gathered : undefined };
  }

  /** The rows of all processes, in their order, for those of this one. */
  readonly gathered = (rows: Tensor): Tensor => this.#group.gatherRows(rows);

  /** This process's rows of what was computed for the whole part. */
  own(whole: Tensor): Tensor {
    const { start, count } = this.#rows;
    return narrow(whole, 0, start, count);
  }

  /**
   * Adds up over all processes, in place: the gradients of what learns, and, weighted by the images, the batch norms' running statistics and what else is a
   * mean.
   *
   * @param means float32, of this process's rows
   */
  reduce(model: Module, learning: Iterable<Parameter>, means: readonly Tensor[]): void {
    noGradient(() =>
      scope(() => {
        const statistics = [...model.modules()].flatMap(([, layer]) =>
          layer instanceof BatchNorm2d && layer.training && !layer.synchronised
            ? [layer.running_mean, layer.running_var]
            : [],
        );
        const shared = [...statistics, ...means];
        const weighted = shared.map((tensor) => mulScalar(tensor, this.share));
        const gradients = [...learning].map(gradientOf).filter((gradient) => gradient !== null);
        const float32 = gradients.map((gradient) => toDType(gradient, "float32"));
        this.#group.sum([...float32, ...weighted]);
        for (const [at, tensor] of shared.entries()) copyInPlace(tensor, weighted[at] as Tensor);
        for (const [at, gradient] of gradients.entries()) {
          if (gradient.dtype !== "float32") copyInPlace(gradient, float32[at] as Tensor);
        }
      }),
    );
  }

  /** Brings rank 0's values to all. */
  broadcast(tensors: ReadonlyMap<string, Tensor>): void {
    this.#group.broadcast([...tensors.values()]);
  }

  /**
   * Compares what all processes should have alike.
   *
   * @param when for the message: "epoch 3"
   * @throws KnackError that names the process and the tensor
   */
  requireSame(tensors: ReadonlyMap<string, Tensor>, when: string): void {
    const hashes = Array.from(tensors, ([name, tensor]) => [
      name,
      createHash("sha256").update(tensor.bytes()).digest("hex"),
    ]);
    const all = this.#group.exchange(JSON.stringify(hashes)).map((text) => JSON.parse(text) as [string, string][]);
    const [first = []] = all;
    for (const [rank, own] of all.entries()) {
      const other = own.find(([, hash], at) => hash !== first[at]?.[1]);
      if (other === undefined) continue;
      throw new KnackError(
        `after ${when} ${this.#group.names[rank]} has another ${other[0]} than rank 0: the machines compute differently; use processors of one kind, or --reproducible`,
      );
    }
  }
}
