/** The thread a run trains in: its steps block it for seconds, so that the thread that asked stays free. */
import { parentPort, workerData } from "node:worker_threads";
import { KnackError } from "../errors.js";
import { runSession, type SessionOptions } from "./session.js";
import type { FromTraining, ToTraining } from "./train.js";

async function main(port: NonNullable<typeof parentPort>): Promise<void> {
  let stopped = false;
  port.on("message", (_message: ToTraining) => {
    stopped = true;
  });
  const send = (message: FromTraining) => port.postMessage(message);
  try {
    for await (const event of runSession(workerData as SessionOptions, () => stopped)) send({ event });
  } catch (error) {
    const exitCode = error instanceof KnackError ? error.exitCode : 1;
    const message = error instanceof Error ? error.message : String(error);
    send({ failure: { message, exitCode } });
  }
  port.close();
}

if (parentPort) await main(parentPort);
