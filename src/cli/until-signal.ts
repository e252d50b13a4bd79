/**
 * Runs `body` with a signal that aborts at Ctrl-C or SIGTERM, for it to stop cleanly; a second one ends the process at once.
 *
 * @param stopping what is happening then, for people on stderr; undefined prints nothing
 * @param body also gets what a shell expects of a program that a signal ended: 130 for Ctrl-C, 143 for SIGTERM
 */
export async function untilSignal(
  stopping: string | undefined,
  body: (signal: AbortSignal, exitCode: () => number) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  let signalNumber = 0;
  const onSignal = (_name: string, number: number) => {
    signalNumber = number;
    if (stopping !== undefined) process.stderr.write(`\n${stopping} … (once more: at once, without one)\n`);
    abort.abort();
  };
  process.once("SIGINT", onSignal);
  process.once("SIGTERM", onSignal);
  try {
    await body(abort.signal, () => 128 + signalNumber);
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
