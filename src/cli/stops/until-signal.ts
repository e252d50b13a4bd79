import { setTimeout as delay } from "node:timers/promises";
import { HeldError } from "../../base/errors.js";
import type { Progress } from "../output/progress.js";
import { written } from "../output/standard-output.js";
import { begin, dieNow, listenForStops, SAME_REQUEST_MS, stoppedExitCode, stopRequested } from "./stop-requests.js";

/** What is left to do once all is stopped: lines on their way to a terminal or a pipe that nobody reads, threads. */
const LAST_SECONDS = 2;

/**
 * Runs `body` with a signal that aborts when the command is to stop, for it to stop cleanly; a second Ctrl-C ends the process at once.
 * Once `body` has stopped, nothing keeps the process: no thread that hangs, no pipe that nobody reads.
 *
 * @param progress draws no bar over the word to people that the command is stopping
 * @param body also gets the exit code of a stopped command
 */
export async function untilSignal(
  progress: Pick<Progress, "close" | "awaitsStop">,
  body: (signal: AbortSignal, exitCode: () => number) => Promise<void>,
): Promise<void> {
  listenForStops();
  begin();
  let words: NodeJS.Timeout | undefined;
  const onStop = () => {
    progress.close();
    // Only then does another Ctrl-C count as a second one.
    words = setTimeout(() => {
      if (progress.awaitsStop()) console.error("stopping at a checkpoint … (once more: at once, without one)");
    }, SAME_REQUEST_MS);
  };
  // What is not begun needs no end: threads that start only to stop take seconds on a busy machine.
  if (stopRequested.aborted) {
    console.error("knack: stopped before it began");
    process.exitCode = stoppedExitCode();
    return;
  }
  stopRequested.addEventListener("abort", onStop);
  try {
    await body(stopRequested, stoppedExitCode);
  } catch (error) {
    if (!(error instanceof HeldError) || !stopRequested.aborted) throw error;
    console.error(`knack: ${error.message}`);
    process.exitCode = stoppedExitCode();
    if (error.stuck) await leave(0);
  } finally {
    clearTimeout(words);
    stopRequested.removeEventListener("abort", onStop);
    if (stopRequested.aborted) await leave(LAST_SECONDS);
  }
}

/** @param seconds how long the process may take to end by itself */
async function leave(seconds: number): Promise<void> {
  const isWritten = await Promise.race([written().then(() => true), delay(1000 * LAST_SECONDS, false, { ref: false })]);
  if (!isWritten || seconds === 0) dieNow();
  setTimeout(dieNow, 1000 * seconds).unref();
}
