import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { InputError, KnackError } from "../errors.js";
import { permutation, randomFor } from "../tensor/random.js";
import type { Augmentation } from "./augment.js";
import { type BatchContent, type BatchSource, makeBatch } from "./batch.js";
import type { ImageSet } from "./image-set.js";
import type { BatchReply, BatchRequest } from "./loader-worker.js";

/** Batches that each worker may have under way or ready ahead of the one that is asked for. */
const AHEAD_PER_WORKER = 2;

/** One training batch. */
export interface Batch {
  /** [size, height, width, channels] uint8. */
  readonly pixels: Uint8Array;
  /** [size] class indices. */
  readonly labels: Int32Array;
  readonly size: number;
  /** Its number in the epoch, from 0. */
  readonly index: number;
}

export interface LoaderOptions {
  /** Images in a batch, at most as many as the set holds. */
  readonly batchSize: number;
  readonly augmentation: Augmentation;
  readonly seed: number;
  /** Threads that make batches ahead; 0 makes each batch in this thread when it is asked for. */
  readonly workers: number;
}

/**
 * Batches of training images: shuffled anew each epoch, augmented, the last partial batch dropped.
 *
 * A batch depends only on (seed, epoch, its index): neither the number of workers, nor where an epoch was begun, nor an
 * epoch left early changes a bit. Threads run until `close()`, but do not keep the process alive by themselves.
 */
export class Loader {
  /** Whole batches in the set. */
  readonly batchesPerEpoch: number;
  readonly #source: BatchSource;
  readonly #batchSize: number;
  readonly #workers: LoaderWorker[];
  #closed = false;

  /** @throws InputError where the batch is larger than the set, or an option is out of range */
  constructor(set: ImageSet, { batchSize, augmentation, seed, workers }: LoaderOptions) {
    if (batchSize > set.count) {
      throw new InputError(`the batch size ${batchSize} is larger than ${set.name}, which holds ${set.count} images`);
    }
    requireInteger("the batch size", batchSize, 1, set.count);
    requireInteger(
      "augmentation.crop (--crop), the padding of the random crop,",
      augmentation.crop,
      0,
      Math.min(set.height, set.width) - 1,
    );
    requireInteger("the number of loader workers", workers, 0, 1024);
    this.batchesPerEpoch = Math.floor(set.count / batchSize);
    this.#source = { set, augmentation, seed };
    this.#batchSize = batchSize;
    this.#workers = Array.from({ length: workers }, (_, i) => new LoaderWorker(i + 1, this.#source));
  }

  /**
   * The batches of an epoch in order, from `firstBatch` (to resume in its middle). May be left early.
   *
   * @param epoch from 0
   * @throws KnackError where a worker died or the loader was closed; InputError where `firstBatch` is out of range
   */
  async *epoch(epoch: number, firstBatch = 0): AsyncGenerator<Batch, void, undefined> {
    requireInteger("the first batch of the epoch", firstBatch, 0, this.batchesPerEpoch);
    const order = permutation(this.#source.set.count, randomFor(this.#source.seed, "order", epoch));
    const ahead: Promise<BatchContent>[] = [];
    const lookAhead = Math.max(1, AHEAD_PER_WORKER * this.#workers.length);
    for (let index = firstBatch; index < this.batchesPerEpoch; index++) {
      while (ahead.length < lookAhead && index + ahead.length < this.batchesPerEpoch) {
        const start = (index + ahead.length) * this.#batchSize;
        const content = this.#make(epoch, index + ahead.length, order.slice(start, start + this.#batchSize));
        // A failure is thrown when its turn comes; until then, and if its turn never comes, it must not end the process.
        content.catch(() => {});
        ahead.push(content);
      }
      const { pixels, labels } = (await ahead.shift()) as BatchContent;
      // Even with batches at hand, one turn of the event loop lets messages in between steps (stop, progress).
      await setImmediate();
      yield { pixels, labels, size: this.#batchSize, index };
    }
  }

  /** Ends the workers. An epoch still under way ends with a KnackError. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  async #make(epoch: number, batch: number, indices: Uint32Array): Promise<BatchContent> {
    if (this.#closed) throw closedError();
    const worker = this.#workers[batch % this.#workers.length];
    return worker === undefined ? makeBatch(this.#source, epoch, indices) : worker.request(epoch, indices);
  }
}

/** One thread and the requests it has not answered yet. */
class LoaderWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (content: BatchContent) => void; reject: (error: Error) => void }>();
  #nextId = 0;
  /** Why there will be no more answers. */
  #ended: KnackError | undefined;

  constructor(number: number, source: BatchSource) {
    // Without the process's own flags: `node --input-type=module -e ...` would hand down one that a worker refuses.
    this.#worker = new Worker(new URL("./loader-worker.js", import.meta.url), { workerData: source, execArgv: [] });
    this.#worker.unref();
    this.#worker.on("message", ({ id, pixels, labels }: BatchReply) => {
      this.#waiting.get(id)?.resolve({ pixels, labels });
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#worker.unref();
    });
    this.#worker.on("error", (cause) => {
      this.#end(new KnackError(`loader worker ${number} died: ${messageOf(cause)}`, { cause }));
    });
    this.#worker.on("exit", (code) => {
      this.#end(new KnackError(`loader worker ${number} ended unexpectedly (exit code ${code})`));
    });
  }

  request(epoch: number, indices: Uint32Array): Promise<BatchContent> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const request: BatchRequest = { id: this.#nextId++, epoch, indices };
      this.#waiting.set(request.id, { resolve, reject });
      this.#worker.ref(); // someone waits for it now
      this.#worker.postMessage(request);
    });
  }

  async close(): Promise<void> {
    this.#end(closedError());
    await this.#worker.terminate();
  }

  #end(reason: KnackError): void {
    this.#ended ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

function requireInteger(what: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new InputError(`${what} must be an integer from ${least} to ${most}, not ${value}`);
  }
}

function closedError(): KnackError {
  return new KnackError("the loader is closed: open another to load more batches");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
