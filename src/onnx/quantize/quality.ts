import { KnackError } from "../../base/errors.js";
import type { ModelProto } from "../schema.js";
import { logitsOf } from "./onnx-session.js";
import type { Pictures } from "./pictures.js";

/** How well a model does, beside the one in float that it was made of. */
export interface Quality {
  /** The share of pictures whose class it has first. */
  readonly top1: number;
  /** The share of those for which it has the same class first as the model in float. */
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

  get top1(): number {
    return this.#compare(this.logits).top1;
  }

  async quality(model: ModelProto): Promise<Quality> {
    return this.#compare(await logitsOf(model, this.pictures));
  }

  #compare(logits: Float32Array): Quality {
    const { labels, count } = this.pictures;
    const classes = logits.length / count;
    let [right, same, squares] = [0, 0, 0];
    for (const [row, label] of labels.entries()) {
      const [from, to] = [row * classes, (row + 1) * classes];
      const first = firstClass(logits.subarray(from, to));
      right += Number(first === label);
      same += Number(first === firstClass(this.logits.subarray(from, to)));
    }
    for (const [i, logit] of logits.entries()) squares += (logit - (this.logits[i] as number)) ** 2;
    return { top1: right / count, agreement: same / count, error: squares / logits.length };
  }
}

/** Whether one quality is better than another: by top-1, then agreement, then the logits. */
export function isBetter(one: Quality, other: Quality): boolean {
  return (one.top1 - other.top1 || one.agreement - other.agreement || other.error - one.error) > 0;
}

function firstClass(logits: Float32Array): number {
  return logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
}
