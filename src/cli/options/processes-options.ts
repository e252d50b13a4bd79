import type { Command } from "commander";
import { InputError } from "../../base/errors.js";

export interface ProcessesOptions {
  readonly syncBn?: boolean;
  readonly distTimeout?: string;
}

export function addProcessesOptions(command: Command): Command {
  return command
    .option(
      "--sync-bn",
      "several processes: batch norms take the statistics of whole batches, and not of each process's part",
    )
    .option("--dist-timeout <seconds>", "several processes: how long one is waited for before all end (default: 30s)");
}

/** @throws InputError naming the option whose value is wrong */
export function processesFrom({ syncBn, distTimeout }: ProcessesOptions) {
  return { syncBatchNorm: syncBn, distributedTimeout: distTimeout === undefined ? undefined : seconds(distTimeout) };
}

function seconds(text: string): number {
  const [, number, unit] = /^(\d*\.?\d+)(s|m|)$/.exec(text.trim()) ?? [];
  const value = Number(number) * (unit === "m" ? 60 : 1);
  if (value > 0) return value;
  throw new InputError(`--dist-timeout: must be a time such as 30s or 5m, not "${text}"`);
}
