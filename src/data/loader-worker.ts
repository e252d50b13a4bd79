import { parentPort, workerData } from "node:worker_threads";
import { type BatchContent, type BatchSource, makeBatch } from "./batch.js";

/** Asks a loader worker for a batch. */
export interface BatchRequest {
  readonly id: number;
  readonly epoch: number;
  /** Which images of the set, in order. */
  readonly indices: Uint32Array;
}

/** A loader worker's answer; its buffers change hands rather than being copied. */
export interface BatchReply extends BatchContent {
  readonly id: number;
}

const source: BatchSource = workerData;

parentPort?.on("message", async ({ id, epoch, indices }: BatchRequest) => {
  const content = await makeBatch(source, epoch, indices);
  const reply: BatchReply = { id, ...content };
  parentPort?.postMessage(reply, [content.pixels.buffer, content.labels.buffer]);
});
