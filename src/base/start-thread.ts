import { Worker } from "node:worker_threads";
import { refuseLack, requireAddresses } from "./lack.js";

/** Threads of this one that have not taken their memory yet. */
let starting = 0;

/**
 * Starts a thread without the process's own flags: `node --input-type=module -e ...` would hand down one that a thread refuses.
 *
 * @param workerData what it is given; plain data and shared memory
 * @throws LackError where there can be no more threads
 */
export function startThread(module: URL, workerData: unknown): Worker {
  requireAddresses(starting + 1);
  try {
    const worker = new Worker(module, { workerData, execArgv: [] });
    starting++;
    const started = () => {
      starting--;
      worker.off("online", started).off("exit", started);
    };
    return worker.once("online", started).once("exit", started);
  } catch (error) {
    refuseLack(error);
    throw error;
  }
}
