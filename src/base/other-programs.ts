import { cpus } from "node:os";

/** Watches, from when it is made, how many of the machine's processors other programs keep busy. */
export class OtherPrograms {
  readonly #busy = busySeconds();
  readonly #own = process.cpuUsage();
  readonly #since = performance.now();

  /** How many since then, on the average; to a tenth it takes half a second. 0 where the system does not say. */
  processors(): number {
    const seconds = (performance.now() - this.#since) / 1000;
    const { user, system } = process.cpuUsage(this.#own);
    return Math.max(0, (busySeconds() - this.#busy - (user + system) / 1e6) / seconds);
  }
}

/** Seconds that all processors together have computed. */
function busySeconds(): number {
  return cpus().reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) / 1000, 0);
}

/** "other programs keep 1.3 of 2 cores busy", where threads that compute would have to share cores with them; else undefined. */
export function sharedCores(busyElsewhere: number, threads: number, cores = cpus().length): string | undefined {
  if (cores === 0 || busyElsewhere + threads < cores + 0.5) return undefined;
  return `other programs keep ${busyElsewhere.toFixed(1)} of ${cores} cores busy`;
}
