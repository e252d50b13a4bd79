/** The thread recipes are rehearsed in, so that the engine's memory goes with it. */
import { parentPort, workerData } from "node:worker_threads";
import { type RehearsalOptions, rehearseHere } from "./rehearsal.js";
import { serveStream } from "../../base/thread-stream.js";

if (parentPort) {
  await serveStream(parentPort, (shouldStop) => rehearseHere(workerData as RehearsalOptions, shouldStop));
}
