import { type Options, SingleBar } from "cli-progress";

/**
 * A bar in the form that all commands have, gone when it is done. It changes nothing of the terminal that would have to be set back, so
 * that a process may end at any moment.
 *
 * @param others what is different about this one
 */
export function progressBar(format: string, stream: NodeJS.WritableStream, others: Options = {}): SingleBar {
  return new SingleBar({
    format,
    stream,
    barsize: 20,
    barCompleteChar: "\u2588",
    barIncompleteChar: "\u2591",
    clearOnComplete: true,
    hideCursor: false,
    linewrap: true, // stays on
    gracefulExit: false, // Ctrl-C belongs to the command
    ...others,
  });
}
