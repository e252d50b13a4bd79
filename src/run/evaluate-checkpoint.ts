import { KnackError } from "../base/errors.js";
import type { LabelledSet } from "../data/split.js";
import { type CheckpointOnData, type EvaluationPlace, withCheckpointOn } from "./checkpoint-on-data.js";
import type { AnyOutcomes } from "../metrics/index.js";
import { type Evaluation, type EvaluationOptions, evaluationOf, outcomesOf } from "../training/evaluate.js";

export interface CheckpointEvaluation
  extends Evaluation,
    Pick<CheckpointOnData, "absent" | "ignored" | "byNumber" | "insteadOf" | "calibration" | "folder"> {
  /** Photographs that could not be read and were left out: names and reasons. */
  readonly badPictures: ReadonlyMap<string, string>;
  /** The checkpoint's, in the order of its logits. */
  readonly classes: readonly string[];
  /** Image by image. */
  readonly outcomes: AnyOutcomes;
}

/**
 * Evaluates a checkpoint on a data set's images, brought to size and normalised as the checkpoint says.
 *
 * @param path a checkpoint's folder, a run's folder or a .safetensors file.
 * @param sets what is evaluated on, of one data source
 * @throws InputError where the checkpoint is broken or was made for other images or classes; as `evaluate`; KnackError where it gives no numbers.
 */
export function evaluateCheckpoint(
  path: string,
  sets: readonly [LabelledSet, ...LabelledSet[]],
  { afterBatch, ...place }: EvaluationPlace & Pick<EvaluationOptions, "afterBatch"> = {},
): Promise<CheckpointEvaluation> {
  return withCheckpointOn(
    path,
    sets,
    place,
    async ({ model, batches, badPictures, absent, ignored, byNumber, insteadOf, calibration, folder, ...options }) => {
      const outcomes = await outcomesOf(model, batches, { ...options, afterBatch });
      const evaluation = evaluationOf(outcomes);
      if (!Number.isFinite(evaluation.metrics.loss)) {
        throw new KnackError(`${path} gives logits that are no numbers: its weights are broken`);
      }
      return {
        ...evaluation,
        classes: options.format.classes,
        outcomes,
        badPictures,
        absent,
        ignored,
        byNumber,
        insteadOf,
        calibration,
        folder,
      };
    },
  );
}
