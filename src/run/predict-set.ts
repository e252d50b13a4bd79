import { kindOf } from "../data/kinds/kinds.js";
import type { LabelledSet } from "../data/split.js";
import type { MetricValues } from "../metrics/metric.js";
import type { AnyOutcomes } from "../metrics/index.js";
import type { EvaluationOptions } from "../training/evaluate.js";
import type { EvaluationPlace } from "./checkpoint-on-data.js";
import { evaluateCheckpoint } from "./evaluate-checkpoint.js";

/** What a network makes of a set, image by image and on the whole. */
export interface SetPrediction<Of extends AnyOutcomes = AnyOutcomes> {
  readonly outcomes: Of;
  /** The images' numbers in the set. */
  readonly indices: readonly number[];
  readonly metrics: MetricValues;
}

/**
 * What a checkpoint makes of each image of a set, beside what `evaluateCheckpoint` measures on it. Photographs that cannot be read are left
 * out.
 *
 * @throws as `evaluateCheckpoint`
 */
export async function predictSet(
  path: string,
  set: LabelledSet,
  place: EvaluationPlace & Pick<EvaluationOptions, "afterBatch">,
): Promise<SetPrediction> {
  const { outcomes, metrics, badPictures } = await evaluateCheckpoint(path, [set], place);
  return { outcomes, indices: readable(set, badPictures), metrics };
}

/** The numbers of the images that were evaluated, in order. */
function readable(set: LabelledSet, badPictures: ReadonlyMap<string, string>): number[] {
  const kind = kindOf(set);
  return Array.from({ length: set.count }, (_, index) => index).filter((index) => {
    const name = kind.nameOf(set, index);
    return name === undefined || !badPictures.has(name);
  });
}
