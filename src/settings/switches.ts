/** A part's switch on the command line: an option that sets one key of the recipe. */
export interface Switch {
  /** As commander writes them: "--warmup <epochs>", "--no-warmup". Of a pair the positive form comes first. */
  readonly flags: string;
  /** For --help: what it does. */
  readonly help: string;
  /** The key of the recipe that it sets, such as "warmup.epochs", or "warmup" for all of it. */
  readonly key: string;
  /**
   * How its argument is read: a number (what is none stays text, for the schema to complain about), numbers separated by commas, a share ("10%" or 0.1), a
   * size ("224" or "192x320", height first), text, or KEY=VALUE, which may be repeated.
   * A switch without an argument has a `value` instead.
   */
  readonly reads?: "number" | "numbers" | "share" | "size" | "text" | "pairs";
  /** What the key is set to where there is no argument; {} takes the part's settings as they are. */
  readonly value?: unknown;
  /** Other keys that it sets. Where its argument may be missing ("--step-decay [epochs]"), only these without one. */
  readonly also?: Readonly<Record<string, unknown>>;
  /** Only tunes a part that is on, so that it is an error where the part is off: the part's own switch, such as "--distillation". */
  readonly tunes?: string;
}
