/** A stream of values that a thread of its own makes, because making them blocks a thread for seconds. */
import { once } from "node:events";
import { type MessagePort, Worker } from "node:worker_threads";
import { DivergedError, InputError, KnackError } from "./errors.js";

/** An error on its way to the other thread; classes do not survive that. */
interface Failure {
  readonly kind: "input" | "diverged" | "other";
  readonly message: string;
}

type FromThread<T> = { readonly value: T } | { readonly failure: Failure };

const STOP = "stop";

/**
 * Starts a thread and yields what its `serveStream` does. When the loop is left early or the signal aborts, the thread is told to
 * stop and waited for.
 *
 * @param workerData what the thread is given; plain data and shared memory
 * @throws what the thread's stream throws, as an error of the same kind; KnackError where the thread dies.
 */
export async function* streamFromThread<T>(
  module: URL,
  workerData: unknown,
  signal?: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const worker = new Worker(module, { workerData, execArgv: [] });
  const stop = () => worker.postMessage(STOP);
  const exited = once(worker, "exit").catch(() => {}); // a failure is thrown below
  signal?.addEventListener("abort", stop);
  try {
    if (signal?.aborted) stop();
    yield* valuesOf<T>(worker);
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
    await exited;
  }
}

/** The thread's side: sends what `make` yields. `make` is told to stop by its argument. */
export async function serveStream<T>(
  port: MessagePort,
  make: (shouldStop: () => boolean) => AsyncIterable<T>,
): Promise<void> {
  let stopped = false;
  port.on("message", () => {
    stopped = true;
  });
  const send = (message: FromThread<T>) => port.postMessage(message);
  try {
    for await (const value of make(() => stopped)) send({ value });
  } catch (error) {
    send({ failure: failureFrom(error) });
  }
  port.close();
}

/** What the worker sends, until it ends. */
async function* valuesOf<T>(worker: Worker): AsyncGenerator<T, void, undefined> {
  const waiting: FromThread<T>[] = [];
  let ended = false;
  let crash: unknown;
  let wake = () => {};
  worker.on("message", (message: FromThread<T>) => {
    waiting.push(message);
    wake();
  });
  worker.on("error", (error) => {
    crash = error;
  });
  worker.on("exit", () => {
    ended = true;
    wake();
  });
  for (;;) {
    for (let message = waiting.shift(); message; message = waiting.shift()) {
      if ("failure" in message) throw errorOf(message.failure);
      yield message.value;
    }
    if (ended) break;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  if (crash) {
    throw new KnackError(`training ended by an error: ${crash instanceof Error ? crash.message : crash}`, {
      cause: crash,
    });
  }
}

function failureFrom(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof DivergedError) return { kind: "diverged", message };
  return { kind: error instanceof KnackError && error.exitCode === 2 ? "input" : "other", message };
}

function errorOf({ kind, message }: Failure): KnackError {
  if (kind === "input") return new InputError(message);
  return kind === "diverged" ? new DivergedError(message) : new KnackError(message);
}
