import { narrow, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { arrive, send } from "../tensor/transfer.js";
import type { Batch } from "../data/loading/loader.js";
import type { InputFormat } from "../data/split.js";
import { normalise } from "./prepare-images.js";

/** Images and labels for a network, on the device that computes. */
export interface PreparedBatch {
  /** [N, C, H, W] float32, normalised, in channels-last memory. */
  readonly images: Tensor;
  /** [N] int64. */
  readonly labels: Tensor;
}

/** Which rows are wanted of all processes; this one's own by default. */
export interface WholeRows {
  readonly pixels?: ((rows: Tensor) => Tensor) | undefined;
  readonly labels?: ((rows: Tensor) => Tensor) | undefined;
}

/**
 * A batch on its way to a device, as the bytes that the loader made, beside what the device computes. It holds their memory until it is disposed,
 * which may be as soon as all that uses them has been asked for.
 */
export class SentBatch implements Disposable {
  readonly size: number;
  /** [N, H, W, C] uint8. */
  readonly #pixels: Tensor;
  readonly #labels: Tensor;
  #arrived = false;

  constructor(
    { pixels, labels, size }: Batch,
    private readonly format: InputFormat,
    device: string,
  ) {
    const { height, width, channels } = format;
    this.size = size;
    [this.#pixels, this.#labels] = scope(() => [
      send(Tensor.from(pixels, [size, height, width, channels]), device),
      send(Tensor.from(labels), device),
    ]).map((tensor) => tensor.keep()) as [Tensor, Tensor];
  }

  /**
   * The images from `start` on, as many as `count`; all of them by default.
   *
   * @param whole gives the rows of all processes, where several share a batch, for those of this one
   */
  prepare(start = 0, count = this.size, whole: WholeRows = {}): PreparedBatch {
    if (!this.#arrived) for (const sent of [this.#pixels, this.#labels]) arrive(sent);
    this.#arrived = true;
    return scope(() => ({
      images: normalise(ofAll(narrow(this.#pixels, 0, start, count), whole.pixels), this.format),
      labels: toDType(ofAll(narrow(this.#labels, 0, start, count), whole.labels), "int64"),
    }));
  }

  [Symbol.dispose](): void {
    this.#pixels.dispose();
    this.#labels.dispose();
  }
}

function ofAll(rows: Tensor, gathered: ((rows: Tensor) => Tensor) | undefined): Tensor {
  return gathered ? gathered(rows) : rows;
}
