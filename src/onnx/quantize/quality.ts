import { KnackError } from "../../base/errors.js";
import type { LabelSets } from "../../data/split.js";
import { meanAveragePrecision } from "../../metrics/several/average-precision.js";
import { type LabelSetOutcomes, labelSetOutcomes } from "../../metrics/several/label-set-outcomes.js";
import type { ModelProto } from "../schema.js";
import { logitsOf } from "./onnx-session.js";
import type { Pictures } from "./pictures.js";

/** How well a model does, beside the one in float that it was made of. */
export interface Quality {
  /** The share of pictures whose class it has first (top-1); of several labels a picture their mAP. */
  readonly score: number;
  /** The share of pictures for which it has the same class first as the model in float; of several labels of the answers that are the same. */
  readonly agreement: number;
  /** The mean squared difference of logits. */
  readonly error: number;
}

/** What a model in float says of pictures, which its integer forms are measured by. */
export class Reference {
  private constructor(
    private readonly pictures: Pictures,
    private readonly logits: Float32Array,
  ) {}

  /** @throws KnackError where logits are no numbers */
  static async of(model: ModelProto, pictures: Pictures): Promise<Reference> {
    const logits = await logitsOf(model, pictures);
    if (!logits.every(Number.isFinite))
      throw new KnackError("the model gives logits that are no numbers: its weights are broken");
    return new Reference(pictures, logits);
  }

  get score(): number {
    return this.#compare(this.logits).score;
  }

  /** What `score` is called. */
  get measure(): "top-1" | "mAP" {
    return this.pictures.labelSets ? "mAP" : "top-1";
  }

  async quality(model: ModelProto): Promise<Quality> {
    return this.#compare(await logitsOf(model, this.pictures));
  }

  #compare(logits: Float32Array): Quality {
    let squares = 0;
    for (const [i, logit] of logits.entries()) squares += (logit - (this.logits[i] as number)) ** 2;
    const { labelSets, ...pictures } = this.pictures;
    const found = labelSets
      ? answersIn({ ...pictures, labelSets }, logits, this.logits)
      : firstClassesIn(pictures, logits, this.logits);
    return { ...found, error: squares / logits.length };
  }
}

/** Of one label a picture. */
function firstClassesIn(
  { labels, count }: Pictures,
  logits: Float32Array,
  ofFloat: Float32Array,
): Omit<Quality, "error"> {
  const classes = logits.length / count;
  let [right, same] = [0, 0];
  for (const [row, label] of labels.entries()) {
    const [from, to] = [row * classes, (row + 1) * classes];
    const first = firstClass(logits.subarray(from, to));
    right += Number(first === label);
    same += Number(first === firstClass(ofFloat.subarray(from, to)));
  }
  return { score: right / count, agreement: same / count };
}

/** Of several labels a picture. */
export function answersIn(
  { labels, labelSets, thresholds, count }: Pictures & { readonly labelSets: LabelSets },
  logits: Float32Array,
  ofFloat: Float32Array,
): Omit<Quality, "error"> {
  const classes = logits.length / count;
  const [here, there] = [logits, ofFloat].map((each) => {
    return labelSetOutcomes(each, { labels, labelSets, classes }, thresholds);
  }) as [LabelSetOutcomes, LabelSetOutcomes];
  let differ = 0;
  for (const [picture, taken] of here.taken.entries()) {
    const others = there.taken[picture] as readonly number[];
    differ += taken.filter((label) => !others.includes(label)).length;
    differ += others.filter((label) => !taken.includes(label)).length;
  }
  const { value } = meanAveragePrecision;
  return { score: value(here), agreement: 1 - differ / logits.length };
}

/** Whether one quality is better than another: by score, then agreement, then the logits. */
export function isBetter(one: Quality, other: Quality): boolean {
  return (one.score - other.score || one.agreement - other.agreement || other.error - one.error) > 0;
}

function firstClass(logits: Float32Array): number {
  return logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
}
