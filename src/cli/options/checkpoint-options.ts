import type { Command } from "commander";
import { InputError } from "../../base/errors.js";
import type { CheckpointInterval } from "../../run/checkpoint-policy.js";
import { wholeNumber } from "./whole-number.js";

export interface CheckpointOptions {
  readonly checkpointEvery?: string;
  readonly keepCheckpoints?: string;
}

export function addCheckpointOptions(command: Command): Command {
  return command
    .option("--checkpoint-every <interval>", "save the run also inside an epoch: 500 (steps) or 5m (default: 10m)")
    .option("--keep-checkpoints <count>", "older checkpoints that stay beside the last one (default: 2)");
}

/** @throws InputError naming the option whose value is wrong */
export function checkpointsFrom({ checkpointEvery, keepCheckpoints }: CheckpointOptions) {
  return {
    checkpointEvery: checkpointEvery === undefined ? undefined : interval(checkpointEvery),
    keepCheckpoints: keepCheckpoints === undefined ? undefined : wholeNumber("--keep-checkpoints", keepCheckpoints, 0),
  };
}

function interval(text: string): CheckpointInterval {
  const [, number, unit] = /^(\d*\.?\d+)(m?)$/.exec(text.trim()) ?? [];
  const value = Number(number);
  if (unit === "m" && value > 0) return { minutes: value };
  if (unit === "" && Number.isSafeInteger(value) && value > 0) return { steps: value };
  throw new InputError(
    `--checkpoint-every: must be a number of steps, such as 500, or of minutes, such as 5m, not "${text}"`,
  );
}
