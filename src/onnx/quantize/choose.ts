import { KnackError } from "../../base/errors.js";
import type { ModelProto } from "../schema.js";
import type { Range } from "./integers.js";
import { byLoss, leastInFloat } from "./left-in-float.js";
import { METHODS } from "./methods.js";
import { observe } from "./observe.js";
import { type Pictures, picturesFrom } from "./pictures.js";
import { isBetter, type Quality, Reference } from "./quality.js";
import { tensorsOf, unitsOf } from "./units.js";
import { withIntegers } from "./with-integers.js";

/** How many of the pictures that ranges are found on layers are compared on. */
const COMPARED_ON = 32;

export interface Search {
  /** Pictures that tell which numbers a network's tensors have. */
  readonly seen: Pictures;
  /** Pictures that tell how well a network does. */
  readonly measured: Pictures;
  /** How many points of top-1 may be lost. */
  readonly maxDrop: number;
  /** As of `IntegerForm`. */
  readonly largestWeight: number;
  /** Told of what is begun, and of how good what was tried is. */
  readonly progress: (line: string) => void;
}

export interface Chosen {
  readonly model: ModelProto;
  /** How ranges were found. */
  readonly method: string;
  readonly layers: number;
  /** The layers left in float, in the network's order. */
  readonly inFloat: readonly string[];
  readonly floatScore: number;
  /** What the score is called. */
  readonly measure: "top-1" | "mAP";
  readonly quality: Quality;
}

/**
 * The integer form of a model in float: of all ways to find ranges the one that does best, and so many of the layers that lose most in float
 * that no more is lost than may be.
 *
 * @throws KnackError where too much is lost with any layer in integers
 */
export async function chooseForm(float: ModelProto, search: Search): Promise<Chosen> {
  const { seen, measured, maxDrop, largestWeight, progress } = search;
  const units = unitsOf(float);
  const reference = await Reference.of(float, measured);
  const { measure } = reference;
  const log = (what: string, { score, agreement }: Quality) =>
    progress(
      `${what}: ${measure} ${percent(score)} (float ${percent(reference.score)}), ${sameText(measure)} ${percent(agreement)}`,
    );

  progress(`finding ranges on ${seen.count} pictures`);
  const histograms = await observe(float, tensorsOf(units), seen);
  const tried: { method: string; inIntegers: (inFloat: ReadonlySet<string>) => ModelProto; quality: Quality }[] = [];
  for (const { name: method, rangeOf } of METHODS) {
    const ranges = new Map<string, Range>(Array.from(histograms, ([name, histogram]) => [name, rangeOf(histogram)]));
    const inIntegers = (inFloat: ReadonlySet<string>) => withIntegers(float, units, { ranges, inFloat, largestWeight });
    const quality = await reference.quality(inIntegers(new Set()));
    log(method, quality);
    tried.push({ method, inIntegers, quality });
  }
  const { method, inIntegers, quality } = tried.reduce((a, b) => (isBetter(b.quality, a.quality) ? b : a));
  const { layers } = units;
  const chosen = { method, layers: layers.length, floatScore: reference.score, measure };

  const isGood = ({ score }: Quality) => 100 * (reference.score - score) <= maxDrop + 1e-9;
  if (isGood(quality)) return { ...chosen, model: inIntegers(new Set()), inFloat: [], quality };

  progress("more is lost than may be: comparing layers");
  const few = await Reference.of(float, picturesFrom(seen, 0, COMPARED_ON));
  const worstFirst = await byLoss(layers, (inFloat) => few.quality(inIntegers(inFloat)));
  const trial = async (inFloat: ReadonlySet<string>) => {
    const result = await reference.quality(inIntegers(inFloat));
    log(`${inFloat.size} of ${layers.length} layers in float`, result);
    return result;
  };
  const found = await leastInFloat(worstFirst, trial, isGood);
  if (!found) {
    throw new KnackError(
      `with any layer in integers ${measure} falls by more than ${maxDrop} points; allow more by --max-drop`,
    );
  }
  const inFloat = layers.filter((layer) => found.inFloat.has(layer));
  return { ...chosen, model: inIntegers(found.inFloat), inFloat, quality: found.quality };
}

/** What `Quality.agreement` is the share of. */
function sameText(measure: Chosen["measure"]): string {
  return measure === "top-1" ? "the same class for" : "the same answer to each class for";
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
