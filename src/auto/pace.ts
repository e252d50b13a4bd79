import type { EngineName } from "../engine/engine-name.js";
import type { ModelOptions } from "../models/entry.js";
import type { Precision } from "../nn/precision.js";
import { type ImageSize, sidesOf } from "../settings/image-size.js";
import { type BenchmarkOptions, benchmarkTraining } from "../tools/benchmark.js";
import { hasFastBfloat16 } from "../training/evaluation-precision.js";

/** A network, and the pictures that it is trained on. */
export interface Candidate {
  readonly model: string;
  readonly modelOptions: ModelOptions;
  readonly imageSize: ImageSize;
  readonly batchSize: number;
}

/** How fast this machine trains it. */
export interface Pace {
  readonly precision: Precision;
  readonly secondsAnImage: number;
  /** Images a second in each precision that was tried. */
  readonly tried: readonly (readonly [precision: Precision, imagesPerSecond: number])[];
}

/** Steps that are measured in each precision, after one that is not. */
const STEPS = 3;
/** How much faster bf16 must be: it costs a little accuracy. */
const WORTHWHILE = 1.1;

/** Where and how steps are timed. */
export interface PaceOptions {
  readonly device: string;
  readonly engine: EngineName;
  readonly winograd: boolean;
  /** The only one, where it was asked for. */
  readonly precision: Precision | undefined;
}

/** Times some steps, in bf16 too where the machine has instructions for it. @throws as `benchmarkTraining` */
export function paceOf(candidate: Candidate, { precision: asked, ...where }: PaceOptions): Pace {
  const both = where.device !== "cpu" || hasFastBfloat16();
  const precisions: readonly Precision[] = asked ? [asked] : both ? ["fp32", "bf16"] : ["fp32"];
  const tried = precisions.map(
    (precision) =>
      [
        precision,
        imagesPerSecond({ ...candidate, imageSize: sidesOf(candidate.imageSize), ...where, precision, steps: STEPS }),
      ] as const,
  );
  const [first, lower] = tried as [(typeof tried)[0], (typeof tried)[0] | undefined];
  const [precision, rate] = lower && lower[1] > WORTHWHILE * first[1] ? lower : first;
  return { precision, secondsAnImage: 1 / rate, tried };
}

function imagesPerSecond(options: BenchmarkOptions): number {
  const sorted = benchmarkTraining(options).seconds.toSorted((a, b) => a - b);
  return options.batchSize / (sorted[sorted.length >> 1] as number);
}
