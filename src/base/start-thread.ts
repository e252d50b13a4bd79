import { Worker } from "node:worker_threads";
import { refuseLack } from "./lack.js";

/**
 * Starts a thread without the process's own flags: `node --input-type=module -e ...` would hand down one that a thread refuses.
 *
 * @param workerData what it is given; plain data and shared memory
 * @throws LackError where there can be no more threads
 */
export function startThread(module: URL, workerData: unknown): Worker {
  try {
    return new Worker(module, { workerData, execArgv: [] });
  } catch (error) {
    refuseLack(error);
    throw error;
  }
}
