import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { InputError, KnackError } from "../../base/errors.js";
import { lackIn } from "../../base/lack.js";
import { startThread } from "../../base/start-thread.js";
import type { Augmentation } from "../augment/index.js";
import type { BatchContent } from "../kinds/kind.js";
import { kindOf } from "../kinds/kinds.js";
import { requireInteger } from "../require-integer.js";
import { epochOrder } from "../sampling/epoch-order.js";
import type { Split } from "../split.js";
import { BadPictures } from "./bad-pictures.js";
import { type BatchSource, makeBatch } from "./batch.js";
import { type Division, ownOf, rowsOf } from "./division.js";
import type { BatchReply, BatchRequest, LoaderTask } from "./loader-worker.js";

/** Batches that each worker may have under way or ready ahead of the one that is asked for. */
const AHEAD_PER_WORKER = 2;

/** Who shares batches with nobody. */
const ALONE: Division = { rank: 0, size: 1 };

/** Some images. */
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
  /** How training images are changed; "none" for evaluation. */
  readonly augmentation: Augmentation | "none";
  readonly seed: number;
  /** Each image once an epoch, or each class equally often. Default: "shuffle". */
  readonly sampling?: "shuffle" | "balanced";
  /** Where photographs that cannot be read are noted, for several loaders together. Default: the loader's own, which skips them. */
  readonly badPictures?: BadPictures;
  /** Where several processes share the batches: which of them this one is, and the parts that a batch is divided by. */
  readonly division?: (Division & { readonly parts: number }) | undefined;
  /** Threads that make batches ahead; 0 makes each batch in this thread when it is asked for. */
  readonly workers: number;
}

/**
 * Batches of training images: shuffled anew each epoch, augmented, the last partial batch dropped.
 *
 * A batch depends only on (seed, epoch, its index): neither the number of workers, nor where an epoch was begun, nor an
 * epoch left early changes a bit. Of processes that share the batches each makes its own rows of them. Threads run until `close()`, but do not keep the process alive by themselves.
 */
export class Loader {
  /** Whole batches in the set. */
  readonly batchesPerEpoch: number;
  /** Photographs that could not be read so far. */
  readonly badPictures: BadPictures;
  readonly #source: BatchSource;
  readonly #batchSize: number;
  readonly #options: LoaderOptions;
  readonly #workers: LoaderWorker[] = [];
  #prepared: { readonly epoch: number; readonly ahead: Promise<BatchContent>[] } | undefined;
  #closed = false;

  /** @throws InputError where the batch is larger than the set, or an option is out of range; LackError where there can be no more threads */
  constructor(set: Split, options: LoaderOptions) {
    const { batchSize, augmentation, seed, workers } = options;
    if (batchSize > set.count) {
      throw new InputError(`the batch size ${batchSize} is larger than ${set.name}, which holds ${set.count} images`);
    }
    requireInteger("the batch size", batchSize, 1, set.count);
    if (augmentation !== "none") kindOf(set).requireFit(set, augmentation);
    requireInteger("the number of loader workers", workers, 0, 1024);
    this.batchesPerEpoch = Math.floor(set.count / batchSize);
    this.badPictures = options.badPictures ?? new BadPictures(set.name, set.count, "skip");
    this.#options = options;
    this.#source = { set, augmentation: augmentation === "none" ? undefined : augmentation, seed };
    this.#batchSize = batchSize;
    const ready = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    try {
      for (let number = 1; number <= workers; number++)
        this.#workers.push(new LoaderWorker({ number, source: this.#source, ready }));
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  /**
   * The batches of an epoch in order, from `firstBatch` (to resume in its middle). May be left early.
   *
   * @param epoch from 0
   * @throws KnackError where a worker died or the loader was closed; InputError where `firstBatch` is out of range, where
   *   photographs cannot be read and are not to be skipped, or where more than 5 % of them cannot be read
   */
  async *epoch(epoch: number, firstBatch = 0): AsyncGenerator<Batch, void, undefined> {
    requireInteger("the first batch of the epoch", firstBatch, 0, this.batchesPerEpoch);
    const prepared = this.#prepared?.epoch === epoch && firstBatch === 0 ? this.#prepared.ahead : [];
    this.#prepared = undefined;
    yield* this.#inTurn(epoch, this.#batchesOf(epoch, firstBatch), firstBatch, prepared);
  }

  /** Lets the threads begin with an epoch that comes next, while this one still does something else. */
  prepare(epoch: number): void {
    if (this.#workers.length === 0) return;
    const ahead: Promise<BatchContent>[] = [];
    this.#askAhead(epoch, this.#batchesOf(epoch, 0), 0, ahead);
    this.#prepared = { epoch, ahead };
  }

  /** All images once, in order, or of several processes consecutive batches in each; the last batch may be smaller, and photographs that cannot be read are left out. */
  async *all(): AsyncGenerator<Batch, void, undefined> {
    const { count } = this.#source.set;
    const { division = ALONE } = this.#options;
    const own = rowsOf(Math.ceil(count / this.#batchSize), division);
    const batches = Array.from({ length: own.count }, (_, i) => {
      const start = (own.start + i) * this.#batchSize;
      return { indices: Uint32Array.from({ length: Math.min(this.#batchSize, count - start) }, (_, k) => start + k) };
    });
    yield* this.#inTurn(0, batches, 0, []);
  }

  #batchesOf(epoch: number, firstBatch: number): Images[] {
    const { set, seed } = this.#source;
    const { sampling = "shuffle", division } = this.#options;
    const cut = (images: Uint32Array) => (division ? ownOf(images, division.parts, division) : images);
    const order = epochOrder(set, sampling, seed, epoch);
    const repeats = sampling === "balanced" ? repeatsIn(order, set.count) : undefined;
    return Array.from({ length: this.batchesPerEpoch - firstBatch }, (_, i): Images => {
      const [start, end] = [(firstBatch + i) * this.#batchSize, (firstBatch + i + 1) * this.#batchSize];
      return { indices: cut(order.slice(start, end)), repeats: repeats && cut(repeats.slice(start, end)) };
    });
  }

  /** Asks for batches from a position on until enough are ahead of it. */
  #askAhead(epoch: number, batches: readonly Images[], position: number, ahead: Promise<BatchContent>[]): void {
    const lookAhead = Math.max(1, AHEAD_PER_WORKER * this.#workers.length);
    while (ahead.length < lookAhead && position + ahead.length < batches.length) {
      const number = position + ahead.length;
      const content = this.#make(epoch, number, batches[number] as Images);
      // A failure is thrown when its turn comes; until then, and if its turn never comes, it must not end the process.
      content.catch(() => {});
      ahead.push(content);
    }
  }

  async *#inTurn(
    epoch: number,
    batches: readonly Images[],
    firstIndex: number,
    ahead: Promise<BatchContent>[],
  ): AsyncGenerator<Batch, void, undefined> {
    for (const position of batches.keys()) {
      this.#askAhead(epoch, batches, position, ahead);
      const { pixels, labels, bad } = (await ahead.shift()) as BatchContent;
      this.badPictures.note(bad);
      // Even with batches at hand, one turn of the event loop lets messages in between steps (stop, progress).
      await setImmediate();
      if (labels.length > 0) yield { pixels, labels, size: labels.length, index: firstIndex + position };
    }
  }

  /** Ends the workers. An epoch still under way ends with a KnackError. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  async #make(epoch: number, batch: number, images: Images): Promise<BatchContent> {
    if (this.#closed) throw closedError();
    const worker = this.#workers[batch % this.#workers.length];
    return worker?.request(epoch, images) ?? makeBatch(this.#source, epoch, images.indices, images.repeats);
  }
}

/** The images of a batch, and how often the epoch had each before, where it has some more than once. */
interface Images {
  readonly indices: Uint32Array;
  readonly repeats?: Uint32Array | undefined;
}

function repeatsIn(order: Uint32Array, count: number): Uint32Array {
  const seen = new Uint32Array(count);
  return order.map((index) => {
    const before = seen[index] as number;
    seen[index] = before + 1;
    return before;
  });
}

/** One thread and the requests it has not answered yet. */
class LoaderWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (content: BatchContent) => void; reject: (error: Error) => void }>();
  #nextId = 0;
  /** Why there will be no more answers. */
  #ended: KnackError | undefined;

  constructor(task: LoaderTask) {
    const { number } = task;
    this.#worker = startThread(new URL("./loader-worker.js", import.meta.url), task);
    this.#worker.unref();
    this.#worker.on("message", (reply: BatchReply) => {
      const waiting = this.#waiting.get(reply.id);
      if ("content" in reply) waiting?.resolve(reply.content);
      else if (reply.exitCode === 2) waiting?.reject(new InputError(reply.failure));
      else if (reply.exitCode === 1) waiting?.reject(new KnackError(reply.failure));
      else waiting?.reject(new KnackError(`loader worker ${number} failed: ${reply.failure}`));
      // An answer that comes after `close` finds nobody waiting; the thread's end must be waited for then.
      if (this.#waiting.delete(reply.id) && this.#waiting.size === 0) this.#worker.unref();
    });
    this.#worker.on("error", (cause) => {
      this.#end(lackIn(cause) ?? new KnackError(`loader worker ${number} died: ${messageOf(cause)}`, { cause }));
    });
    this.#worker.on("exit", (code) => {
      this.#end(new KnackError(`loader worker ${number} ended unexpectedly (exit code ${code})`));
    });
  }

  request(epoch: number, { indices, repeats }: Images): Promise<BatchContent> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const request: BatchRequest = { id: this.#nextId++, epoch, indices, repeats };
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

function closedError(): KnackError {
  return new KnackError("the loader is closed: open another to load more batches");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
