import { z } from "../settings/zod.js";
import type { Evaluation } from "../training/evaluate.js";
import { InputError } from "../base/errors.js";

const count = z.int().min(0);
const fraction = z.number().min(0).max(1);

/** JSON has null for a number that is not finite. */
const value = z
  .number()
  .nullable()
  .transform((number) => number ?? Number.NaN);

/** Whatever metrics there were: only top-1, which every version measures, has to be among them. */
const presentEvaluation = z.strictObject({ images: count, metrics: z.object({ "top-1": fraction }).catchall(value) });

/** Of several labels a picture, which have no top-1. */
const evaluationOfSets = z.strictObject({
  images: count,
  metrics: z.record(z.string(), value),
  thresholds: z.array(fraction),
});

/** As knack 0.1.0 wrote it. */
const earlierEvaluation = z
  .strictObject({ top1: fraction, top5: fraction, loss: z.number(), images: count })
  .transform(({ top1, top5, loss, images }): Evaluation => {
    return { images, metrics: { "top-1": top1, "top-5": top5, loss } };
  });

const evaluation: z.ZodType<Evaluation> = z.union([presentEvaluation, evaluationOfSets, earlierEvaluation]);

const positionSchema = z.strictObject({
  /** Finished epochs, validation included. */
  epoch: count,
  /** Finished steps of the epoch under way: all of them while it is validated. */
  stepInEpoch: count,
  /** Sum of the label losses of the epoch under way, in order. */
  lossSum: value,
  /** Steps that the sum is of: all but those skipped, where an earlier version does not say. */
  lossSteps: count.optional(),
  /**
   * The best evaluation and the number of finished epochs it came after, of equal ones the last; null before the first. `improved`: the first of the equal
   * ones, where that was another.
   */
  best: z.strictObject({ epoch: count, evaluation, improved: count.optional() }).nullable(),
  /** The last one; null before the first. */
  evaluation: evaluation.nullable(),
  /** Training time so far. */
  seconds: z.number().min(0),
});

const runStateSchema = z.strictObject({
  position: positionSchema,
  counters: z.strictObject({
    lossScale: z.number().positive(),
    goodSteps: count,
    skippedSteps: count,
    skippedInRow: count.default(0),
    lrFactor: z.number().positive().default(1),
  }),
  /** Training images: with other data the steps would not be the same. */
  trainImages: count,
  /** What was trained with; earlier versions do not say. */
  recipe: z.unknown().optional(),
});

/** Where in a run a checkpoint was written. */
export type Position = z.infer<typeof positionSchema>;

/** Everything but tensors that a resumed run needs. */
export type RunState = z.infer<typeof runStateSchema>;

export const START: Position = {
  epoch: 0,
  stepInEpoch: 0,
  lossSum: 0,
  best: null,
  evaluation: null,
  seconds: 0,
};

/** @throws InputError where the state was written by another version or damaged. */
export function parseRunState(state: unknown, where: string): RunState {
  const result = runStateSchema.safeParse(state);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new InputError(
    `${where}: the saved state cannot be resumed: ${issue?.path.join(".") || "the whole"}: ${issue?.message}`,
  );
}
