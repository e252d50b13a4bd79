/** One comparison: knack against its peers, measured in turn in one run. */
export interface Row {
  readonly bench: "training" | "inference" | "loader" | "end-to-end";
  readonly model?: string;
  readonly imageSize: number;
  readonly batch: number;
  readonly precision: "fp32" | "bf16" | "int8";
  /** What `knack` and `peers` are in: "images/s", or "s" where less is better. Medians. */
  readonly unit: "images/s" | "s";
  /** Null where the target of an end-to-end run was not reached. */
  readonly knack: number | null;
  readonly peers: Readonly<Record<string, number | null>>;
  /** How many times as fast as the peer knack is. */
  readonly ratios: Readonly<Record<string, number | null>>;
}

export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] as number;

/** The python3 that peers run with: KNACK_PEERS, or Debian's. */
export const python = process.env.KNACK_PEERS ?? "/usr/bin/python3";
