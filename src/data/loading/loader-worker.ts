import { parentPort, workerData } from "node:worker_threads";
import { InputError } from "../../base/errors.js";
import type { BatchContent } from "../kinds/kind.js";
import { type BatchSource, makeBatch } from "./batch.js";

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
  /** Errors lose their class on the way to another thread. */
  | { readonly failure: string; readonly input: boolean }
);

const source: BatchSource = workerData;

parentPort?.on("message", async ({ id, epoch, indices, repeats }: BatchRequest) => {
  // Nothing may be thrown here: whoever asked waits for the answer.
  try {
    const content = await makeBatch(source, epoch, indices, repeats);
    reply({ id, content }, [content.pixels.buffer, content.labels.buffer]);
  } catch (error) {
    reply({ id, failure: error instanceof Error ? error.message : String(error), input: error instanceof InputError });
  }
});

function reply(answer: BatchReply, transferred: ArrayBuffer[] = []): void {
  parentPort?.postMessage(answer, transferred);
}
