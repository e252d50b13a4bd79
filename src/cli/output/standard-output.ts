/** What becomes of a command whose output nobody takes: a pipe that was closed, a full disk, a terminal that is gone or was halted. */
import { systemReason } from "../../base/atomic-file.js";

/** For commands whose output is their result: `knack schedule … | head` closes the pipe early, which is no failure. */
export function endWithOutput(): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    console.error(`knack: cannot write the output: ${systemReason(error)}`);
    process.exit(1);
  });
}

/** For commands whose result is in a folder: they go on. Nor do they wait for who does not read, so that they can be stopped. */
export function outliveOutput(): void {
  process.stdout.removeAllListeners("error");
  process.stdout.once("error", (error: NodeJS.ErrnoException) => {
    console.error(
      `knack: warning: the output goes nowhere any more (${systemReason(error)}); the run's folder has everything`,
    );
  });
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => {});
    (stream as MaybeBlocking)._handle?.setBlocking?.(false);
  }
}

/** Resolves when all output is written or lost. */
export async function written(): Promise<void> {
  const streams = [process.stdout, process.stderr].filter(({ writableLength }) => writableLength > 0);
  await Promise.all(streams.map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))));
}

/** Node waits for a terminal with each write; only its inner handle can be told not to. */
type MaybeBlocking = NodeJS.WriteStream & { readonly _handle?: { setBlocking?(blocking: boolean): void } };
