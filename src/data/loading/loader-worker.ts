import { parentPort, workerData } from "node:worker_threads";
import { KnackError } from "../../base/errors.js";
import { lackIn } from "../../base/lack.js";
import type { BatchContent } from "../kinds/kind.js";
import type { BatchSource } from "./batch.js";

/** Asks a loader worker for a batch. */
export interface BatchRequest {
  readonly id: number;
  readonly epoch: number;
  /** Which images of the set, in order, and how often the epoch had each before. */
  readonly indices: Uint32Array;
  readonly repeats: Uint32Array | undefined;
}

/** A loader worker's answer; its buffers change hands rather than being copied. */
export type BatchReply = { readonly id: number } & (
  | { readonly content: BatchContent }
  /** Errors lose their class on the way to another thread; those for people have an exit code. */
  | { readonly failure: string; readonly exitCode: KnackError["exitCode"] | undefined }
);

/** What a loader worker is given. */
export interface LoaderTask {
  readonly source: BatchSource;
  /** Its number among the loader's, from 1. */
  readonly number: number;
  /** [1] how many of them have read their modules: one after the other does, because each has dozens of files open meanwhile. */
  readonly ready: Int32Array;
}

/** As long as a thread waits for those before it: one that died is not waited for for ever. */
const MOST_MS = 10_000;

const { source, number, ready }: LoaderTask = workerData;
for (let seen = Atomics.load(ready, 0); seen < number - 1; seen = Atomics.load(ready, 0)) {
  if (Atomics.wait(ready, 0, seen, MOST_MS) === "timed-out") break;
}
const { makeBatch } = await import("./batch.js");
Atomics.add(ready, 0, 1);
Atomics.notify(ready, 0);

parentPort?.on("message", async ({ id, epoch, indices, repeats }: BatchRequest) => {
  // Nothing may be thrown here: whoever asked waits for the answer.
  try {
    const content = await makeBatch(source, epoch, indices, repeats);
    reply({ id, content }, [content.pixels.buffer, content.labels.buffer]);
  } catch (cause) {
    const error = lackIn(cause) ?? cause;
    const failure = error instanceof Error ? error.message : String(error);
    reply({ id, failure, exitCode: error instanceof KnackError ? error.exitCode : undefined });
  }
});

function reply(answer: BatchReply, transferred: ArrayBuffer[] = []): void {
  parentPort?.postMessage(answer, transferred);
}
