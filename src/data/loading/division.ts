/** How the images of an epoch are divided among processes that train one model together. */

/** One process of several. */
export interface Division {
  readonly rank: number;
  readonly size: number;
}

/** Consecutive ones. */
export interface Rows {
  readonly start: number;
  readonly count: number;
}

/** Of so many rows those of one process: each belongs to exactly one, and no process has more than one more than another. */
export function rowsOf(rows: number, { rank, size }: Division): Rows {
  const start = Math.floor((rows * rank) / size);
  return { start, count: Math.floor((rows * (rank + 1)) / size) - start };
}

/** What of a batch belongs to one process: its rows of each part. @param parts equal ones, each of which is divided for itself */
export function ownOf(batch: Uint32Array, parts: number, division: Division): Uint32Array {
  const whole = batch.length / parts;
  const { start, count } = rowsOf(whole, division);
  const own = new Uint32Array(parts * count);
  for (let part = 0; part < parts; part++) {
    own.set(batch.subarray(part * whole + start, part * whole + start + count), part * count);
  }
  return own;
}
