/**
 * `calibration.json` of a checkpoint: by what its logits are divided so that it is as sure as it is right, and below which score a picture is none of
 * what it knows. It is written after the checkpoint, and not in its manifest.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemReason, writeFileAtomic } from "../base/atomic-file.js";
import { InputError } from "../base/errors.js";
import { z } from "../settings/zod.js";
import { CALIBRATION } from "./checkpoint-files.js";

/**
 * How much a picture is like what a network knows, from its logits: "softmax", the highest probability (Hendrycks and Gimpel, ICLR 2017), or
 * "energy", ln of the sum of exp(logit) (Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020).
 */
export const REJECTION_SCORES = ["softmax", "energy"] as const;
export type RejectionScore = (typeof REJECTION_SCORES)[number];

const fraction = z.number().min(0).max(1);
const beforeAndAfter = z.object({ before: z.number(), after: z.number() });

const rejectionSchema = z.object({
  score: z.enum(REJECTION_SCORES),
  /** Pictures whose score is below it are unknown. */
  threshold: z.number(),
  /** How many of the pictures that are kept were to be right. */
  wanted: fraction,
  /** Of the images that it was chosen on: how many are kept, and how many of those are right. */
  kept: fraction,
  precision: fraction,
});

export const calibrationSchema = z.object({
  temperature: z.number().positive(),
  /** What it was fitted on. */
  data: z.string(),
  images: z.int().positive(),
  /** Nats. */
  nll: beforeAndAfter,
  /** A fraction of 1. */
  ece: beforeAndAfter,
  rejection: rejectionSchema,
});

export type Rejection = z.infer<typeof rejectionSchema>;
export type KeptCalibration = z.infer<typeof calibrationSchema>;

/** @throws InputError where the file is broken: passed over, the checkpoint would be surer than it was made to be */
export function readCalibration(folder: string): KeptCalibration | undefined {
  const file = join(folder, CALIBRATION);
  if (!existsSync(file)) return undefined;
  const result = calibrationSchema.safeParse(json(file));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new InputError(
    `${file}: ${issue?.path.join(".") || "the whole"}: ${issue?.message}; make it anew by knack calibrate`,
  );
}

export function writeCalibration(folder: string, calibration: KeptCalibration): void {
  writeFileAtomic(join(folder, CALIBRATION), `${JSON.stringify(calibration, null, 2)}\n`);
}

function json(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new InputError(`cannot read ${file}: ${systemReason(error)}`, error);
  }
}
