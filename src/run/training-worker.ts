/** The thread a run trains in: its steps block it for seconds, so that the thread that asked stays free. */
import { parentPort, workerData } from "node:worker_threads";
import { runSession, type SessionOptions } from "./session.js";
import { serveStream } from "../base/thread-stream.js";

if (parentPort) {
  await serveStream(parentPort, (shouldStop) => runSession(workerData as SessionOptions, shouldStop));
}
