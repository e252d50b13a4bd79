/** A stream of values that a thread of its own makes, because making them blocks a thread for seconds. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { parentPort, type Worker, workerData } from "node:worker_threads";
import { DivergedError, HeldError, InputError, KnackError } from "./errors.js";
import { lackIn } from "./lack.js";
import { startThread } from "./start-thread.js";

/** What a thread is at, and how many seconds of it are waited for once the thread was told to stop. */
export interface Doing {
  readonly what: string;
  readonly seconds: number;
  /** Whether the stop is for this: what else the thread is at until it ends has its seconds together. */
  readonly isAwaited?: boolean;
}

/** What the thread's own side has of its stream. */
export interface ThreadSide {
  /** Whether the thread was told to stop. */
  readonly shouldStop: () => boolean;
  /** Says what comes next. */
  readonly doing: (next: Doing) => void;
}

/** An error on its way to the other thread; classes do not survive that. */
interface Failure {
  readonly kind: "input" | "diverged" | "other";
  readonly message: string;
}

type FromThread<T> =
  | { readonly value: T }
  | { readonly doing: Doing }
  | { readonly failure: Failure }
  /** Nothing more comes. */
  | { readonly end: true };

interface ToThread {
  readonly task: unknown;
  /** Its first element becomes 1 when the thread is to stop: seen in the middle of a long computation too, where no message is. */
  readonly stop: Int32Array;
}

export interface StreamOptions {
  /** Tells the thread to stop. */
  readonly signal?: AbortSignal | undefined;
  /** What the thread begins with. */
  readonly begins: Doing;
  /** Is told what the thread is at, each time that is something else. */
  readonly onDoing?: ((what: string) => void) | undefined;
}

/** A thread whose stream has ended ends by itself at once, and one that is ended by force too, unless it is inside of a library. */
const END_SECONDS = 2;

/**
 * Starts a thread and yields what its `serveStream` does. When the loop is left early or the signal aborts, the thread is told to
 * stop and waited for, as long as it said that may take. When its stream has ended the thread is ended, whatever it left running.
 *
 * @param task what the thread is given; plain data and shared memory
 * @throws what the thread's stream throws, as an error of the same kind; KnackError where the thread dies; HeldError where it was told to
 *   stop and did not.
 */
export async function* streamFromThread<T>(
  module: URL,
  task: unknown,
  { signal, begins, onDoing }: StreamOptions,
): AsyncGenerator<T, void, undefined> {
  const thread = new Thread<T>(module, task, begins, onDoing);
  const stop = () => thread.stop();
  signal?.addEventListener("abort", stop);
  try {
    if (signal?.aborted) stop();
    for (let next = await thread.next(); next; next = await thread.next()) yield next.value;
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
    await thread.end();
  }
}

/** The thread's side: sends what `make` yields. */
export async function serveStream<Task, T>(make: (task: Task, side: ThreadSide) => AsyncIterable<T>): Promise<void> {
  if (!parentPort) return;
  const port = parentPort;
  port.ref(); // a promise alone does not keep a thread
  const send = (message: FromThread<T>) => port.postMessage(message);
  const { task, stop } = workerData as ToThread;
  const side = { shouldStop: () => Atomics.load(stop, 0) === 1, doing: (doing: Doing) => send({ doing }) };
  try {
    for await (const value of make(task as Task, side)) send({ value });
    send({ end: true });
  } catch (error) {
    send({ failure: failureFrom(error) });
  }
  port.close();
}

/** A thread as its parent sees it. */
class Thread<T> {
  readonly #worker: Worker;
  readonly #stop = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #values: { readonly value: T }[] = [];
  readonly #exited: Promise<unknown>;
  #doing: Doing;
  /** When it was last given time, in the clock of `performance.now()`, and the seconds that went since the stop with what is not awaited. */
  #since = 0;
  #spent = 0;
  /** Why nothing more comes: undefined as long as something may, null where all has come. */
  #over: Error | null | undefined;
  #patience: NodeJS.Timeout | undefined;
  #forced = false;
  #wake = () => {};

  constructor(
    module: URL,
    task: unknown,
    begins: Doing,
    private readonly onDoing: (what: string) => void = () => {},
  ) {
    this.#doing = begins;
    const workerData: ToThread = { task, stop: this.#stop };
    this.#worker = startThread(module, workerData);
    this.#exited = once(this.#worker, "exit").catch(() => {}); // an error is noted below
    this.#worker.on("message", (message: FromThread<T>) => this.#take(message));
    this.#worker.on("error", (cause) => {
      this.#finish(lackIn(cause) ?? new KnackError(`training ended by an error: ${messageOf(cause)}`, { cause }));
    });
    this.#worker.on("exit", (code) => {
      if (!this.#forced) this.#finish(new KnackError(`its thread ended by itself (exit code ${code})`));
    });
  }

  /** The next value; undefined when there are no more. @throws why it ended before its time */
  async next(): Promise<{ readonly value: T } | undefined> {
    while (this.#values.length === 0 && this.#over === undefined) await this.#news();
    const next = this.#values.shift();
    if (next) return next;
    if (this.#over) throw this.#over;
    return undefined;
  }

  stop(): void {
    if (Atomics.exchange(this.#stop, 0, 1) === 0) this.#wait();
  }

  /** Waits until all has come, or the thread's time is over, and until the thread is gone. */
  async end(): Promise<void> {
    while (this.#over === undefined) await this.#news();
    clearTimeout(this.#patience);
    if (!this.#forced && !(await this.#exitsWithin(END_SECONDS))) await this.#isEnded();
  }

  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #take(message: FromThread<T>): void {
    if ("value" in message) this.#values.push(message);
    else if ("failure" in message) this.#finish(errorOf(message.failure));
    else if ("end" in message) this.#finish(null);
    else {
      const before = this.#doing;
      this.#doing = message.doing;
      if (before.what !== this.#doing.what) this.onDoing(this.#doing.what);
      if (this.#stop[0] === 1) {
        if (!before.isAwaited) this.#spent += (performance.now() - this.#since) / 1000;
        this.#wait();
      }
    }
    this.#wake();
  }

  /** Gives the thread the time that what it is at may take. */
  #wait(): void {
    clearTimeout(this.#patience);
    if (this.#over !== undefined) return;
    this.#since = performance.now();
    const { what, seconds, isAwaited } = this.#doing;
    this.#patience = setTimeout(
      async () => {
        const ended = await this.#isEnded();
        this.#finish(new HeldError(what, seconds, !ended));
      },
      1000 * (isAwaited ? seconds : Math.max(0, seconds - this.#spent)),
    );
  }

  /** Ends the thread by force, and says whether it did end. */
  async #isEnded(): Promise<boolean> {
    this.#forced = true;
    this.#worker.terminate().catch(() => {});
    const ended = await this.#exitsWithin(END_SECONDS);
    if (!ended) this.#worker.unref();
    return ended;
  }

  #exitsWithin(seconds: number): Promise<boolean> {
    const timer = new AbortController();
    const late = delay(1000 * seconds, false, { signal: timer.signal }).catch(() => false);
    return Promise.race([this.#exited.then(() => true), late]).finally(() => timer.abort());
  }

  /** What comes first counts. */
  #finish(over: Error | null): void {
    clearTimeout(this.#patience);
    if (this.#over === undefined) this.#over = over;
    this.#wake();
  }
}

function failureFrom(error: unknown): Failure {
  const message = messageOf(lackIn(error) ?? error);
  if (error instanceof DivergedError) return { kind: "diverged", message };
  return { kind: error instanceof KnackError && error.exitCode === 2 ? "input" : "other", message };
}

function errorOf({ kind, message }: Failure): KnackError {
  if (kind === "input") return new InputError(message);
  return kind === "diverged" ? new DivergedError(message) : new KnackError(message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
