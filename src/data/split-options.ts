import { InputError } from "../base/errors.js";
import { z } from "../settings/zod.js";

const schema = z.object({
  /** The share of each class that is held out for validation, above 0 and below 1. */
  validation: z.number().optional(),
  /** A file of path,part: which images are trained on, validated on, and measured once at the end. */
  file: z.string().optional(),
  /**
   * Images of one group are never in two parts: the column of a list that names it, or a regular expression whose first bracket, or all of
   * it, is found in the paths.
   */
  group: z.string().optional(),
  /** Whether photographs that look alike may be in different parts. */
  duplicatesApart: z.boolean().optional(),
  /** In so many equal parts, of which one is validated on: */
  folds: z.number().optional(),
  /** this one, from 1. */
  fold: z.number().optional(),
  /** Photographs that are for nothing, as a person calls them: paths, whole or their ends. */
  exclude: z.array(z.string()).optional(),
  /** What a choice by chance comes from; default 0. */
  seed: z.number().optional(),
});

/** How a data set is divided into what is trained on, what is validated on and what is measured once, at the end. */
export type SplitOptions = z.infer<typeof schema>;

/** Images that are not trained on, by name. A run keeps them: it goes on, and is reported, with the same ones. */
export interface HeldImages {
  readonly validation: readonly string[];
  /** Absent where the data set has such a part of its own, or none. */
  readonly test?: readonly string[] | undefined;
  /** For nothing. */
  readonly unused?: readonly string[] | undefined;
}

/** Held out where nobody says how much, and the data have no validation images of their own. */
export const USUAL_SHARE = 0.2;

/** What a run's `data.json` says; nothing where an earlier version wrote it. */
export function parseSplit(saved: unknown): SplitOptions | undefined {
  return schema.safeParse(saved).data;
}

/** Whether validation images are to be chosen from the training images, though the data set may have some of its own. */
export function isDrawn({ validation, folds }: SplitOptions): boolean {
  return validation !== undefined || folds !== undefined;
}

/** @throws InputError where the options are wrong alone or together */
export function requireSplit({ validation, folds, fold }: SplitOptions): void {
  if (folds !== undefined && !(Number.isSafeInteger(folds) && folds >= 2)) {
    throw new InputError(`--folds: must be a whole number of 2 or more, not ${folds}`);
  }
  if (fold !== undefined && folds === undefined) throw new InputError("--fold: say of how many, by --folds");
  if (fold !== undefined && !(Number.isSafeInteger(fold) && fold >= 1 && fold <= (folds as number))) {
    throw new InputError(`--fold: must be a whole number from 1 to ${folds}, not ${fold}`);
  }
  if (folds !== undefined && validation !== undefined) {
    throw new InputError("--folds and --validation: a fold is what is validated on; drop one");
  }
  if (validation !== undefined && !(validation > 0 && validation < 1)) {
    throw new InputError(`--validation: must be a share above 0 and below 1, such as 0.1 or 10%, not ${validation}`);
  }
}
