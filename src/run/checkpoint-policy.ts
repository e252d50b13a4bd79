import { InputError } from "../base/errors.js";
import { z } from "../settings/zod.js";

/** How often a run is saved inside of an epoch: after so many steps, or so many minutes after it was saved last. */
export type CheckpointInterval = { readonly steps: number } | { readonly minutes: number };

export interface CheckpointPolicy {
  readonly every: CheckpointInterval;
  /** How many older checkpoints stay beside `checkpoints/last`. */
  readonly keep: number;
}

export const DEFAULT_CHECKPOINTS: CheckpointPolicy = { every: { minutes: 10 }, keep: 2 };

const policySchema: z.ZodType<CheckpointPolicy> = z.strictObject({
  every: z.union([z.strictObject({ steps: z.int().positive() }), z.strictObject({ minutes: z.number().positive() })]),
  keep: z.int().min(0),
});

/** What a run's file says; the default where an earlier version wrote it. */
export function parsePolicy(saved: unknown): CheckpointPolicy {
  const { data } = policySchema.safeParse(saved);
  return data ?? DEFAULT_CHECKPOINTS;
}

/** @throws InputError where a program asks for what cannot be */
export function requirePolicy(policy: CheckpointPolicy): CheckpointPolicy {
  if (policySchema.safeParse(policy).success) return policy;
  throw new InputError(
    "checkpoints: every takes steps, a whole number above 0, or minutes above 0, and keep a whole number from 0",
  );
}

/** When the next checkpoint of a run is due. */
export class CheckpointClock {
  #written = performance.now();

  constructor(private readonly every: CheckpointInterval) {}

  /** @param step optimizer steps done */
  isDue(step: number): boolean {
    if ("steps" in this.every) return step % this.every.steps === 0;
    return performance.now() - this.#written >= 60_000 * this.every.minutes;
  }

  written(): void {
    this.#written = performance.now();
  }
}
