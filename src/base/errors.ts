/**
 * An error meant for a person: what was wrong, where (file, option, layer), and what to do, in one line.
 * The command line prints its message without a stack trace.
 */
export class KnackError extends Error {
  override readonly name: string = "KnackError";
  /** The exit code the command line ends with: 2 for wrong input or options, 1 for a run that failed. */
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}

/** The user's input (option, recipe key, file) is wrong. Exit code 2. */
export class InputError extends KnackError {
  override readonly name = "InputError";

  constructor(message: string, cause?: unknown) {
    super(message, { exitCode: 2, cause });
  }
}

/** A run whose loss is no longer finite: the recipe's doing, not the machine's. Exit code 1. */
export class DivergedError extends KnackError {
  override readonly name = "DivergedError";
}

/** Something that was told to stop went on for longer than is waited for. What was saved before is whole. Exit code 1. */
export class HeldError extends KnackError {
  override readonly name = "HeldError";

  /**
   * @param what it was at
   * @param seconds how long was waited for that
   * @param stuck whether its thread cannot be ended either, so that only the end of the process ends it
   */
  constructor(
    readonly what: string,
    seconds: number,
    readonly stuck: boolean,
  ) {
    super(
      `stopping was held by ${what} for ${Math.round(seconds)} s and waits no longer; what was saved before is whole`,
    );
  }
}
