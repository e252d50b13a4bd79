/** What a file of weights says of itself in other words: where the model built is another, a person must choose. */
import { digits, printable } from "../base/printable.js";
import { IMAGENET_PHOTOS, type ModelOptions, PLUS_MINUS_ONE } from "../models/entry.js";
import { modelEntry } from "../models/registry.js";
import type { Module } from "../nn/module.js";
import { BatchNorm2d } from "../nn/layers/batch-norm2d.js";

/** What was made of the file. */
export interface Built {
  readonly architecture: string;
  readonly model_options: ModelOptions;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Of the pictures; undefined where training chooses them anyway. */
  readonly input_size?: readonly number[] | undefined;
  readonly interpolation?: string | undefined;
}

/** One thing that is said, and the option that would build it so; undefined where it is built so, or not said. */
type Check = (said: string, built: Built, model: Module) => string | undefined;

const MOST_SHOWN = 120;

const CHECKS: readonly Check[] = [padding, activation, epsilon, normalisation, inputSize, interpolation, channelOrder];

/**
 * What a file says in words and the model built contradicts or lacks, a line each that names the option.
 *
 * @param known keys whose values were applied
 */
export function contradictions(
  metadata: Readonly<Record<string, string>>,
  known: ReadonlySet<string>,
  built: Built,
  model: Module,
): string[] {
  return Object.entries(metadata).flatMap(([key, text]) => {
    if (known.has(key)) return [];
    const said = `${key}: ${text}`;
    return CHECKS.flatMap((check) => check(said, built, model) ?? []).map(
      (remedy) => `the file says "${printable(said, MOST_SHOWN)}": ${remedy}`,
    );
  });
}

/** What is true of the model, and the option that changes it, where it has one. */
function remedy({ architecture }: Built, is: string, option: string, value: string): string {
  const has = Object.hasOwn(modelEntry(architecture).options.shape, option);
  return has
    ? `the model ${is}; if so, give --option ${option}=${value}`
    : `${architecture} ${is}, and has no option for it`;
}

function optionOf({ architecture, model_options }: Built, key: string): unknown {
  return modelEntry(architecture).options.parse(model_options)[key];
}

function padding(said: string, built: Built): string | undefined {
  if (!/\bsame\b/i.test(said) || !/pad|tensorflow|keras|\btf\b/i.test(said)) return undefined;
  if (optionOf(built, "pad_type") === "same") return undefined;
  return remedy(built, "pads both sides alike", "pad_type", "same");
}

const ACTIVATIONS: readonly (readonly [words: RegExp, name: string])[] = [
  [/relu[\s_-]?6/i, "relu6"],
  [/leaky[\s_-]?relu/i, "leaky_relu"],
  [/h(ard)?[\s_-]?swish/i, "hard_swish"],
  [/swish|\bsilu\b/i, "silu"],
  [/\bgelu\b/i, "gelu"],
  [/\bprelu\b/i, "prelu"],
  [/\belu\b/i, "elu"],
  [/\brelu\b/i, "relu"],
];

function activation(said: string, built: Built): string | undefined {
  const [, name] = ACTIVATIONS.find(([words]) => words.test(said)) ?? [];
  const own = optionOf(built, "act_layer") ?? "relu";
  if (name === undefined || name === own) return undefined;
  const { options } = modelEntry(built.architecture);
  const possible = options.safeParse({ act_layer: name }).success;
  return possible ? remedy(built, `has ${own}`, "act_layer", name) : `${built.architecture} has ${own}, and no ${name}`;
}

function epsilon(said: string, built: Built, model: Module): string | undefined {
  if (/adam|optim|rmsprop/i.test(said)) return undefined;
  const [, number = ""] = /eps(?:ilon)?(?![a-z])\D*?(\d[\d.]*(?:e-?\d+)?)/i.exec(said) ?? [];
  const value = Number(number);
  const norm = Array.from(model.modules(), ([, layer]) => layer).find((layer) => layer instanceof BatchNorm2d);
  if (number === "" || !(value > 0) || !norm || Math.abs(norm.eps - value) <= 1e-6 * value) return undefined;
  return remedy(built, `has ${norm.eps}`, "bn_eps", number);
}

function normalisation(said: string, built: Built): string | undefined {
  const wanted = normalisationIn(said);
  if (!wanted) return undefined;
  const differs = (["mean", "std"] as const).filter((key) => {
    const values = wanted[key];
    return values?.some((value, channel) => Math.abs(value - (built[key][channel] ?? built[key][0] ?? 0)) > 2e-3);
  });
  if (differs.length === 0) return undefined;
  const options = differs.map((key) => `--${key} ${wanted[key]?.map(digits).join(",")}`);
  return `pictures are normalised otherwise; if so, give ${options.join(" ")}`;
}

function normalisationIn(said: string): { mean?: readonly number[]; std?: readonly number[] } | undefined {
  if (/\/\s*127\.5\s*-\s*1|-1(\.0)?\s*(\.\.+|to|,|\u2026)\s*1(\.0)?\b/i.test(said)) return PLUS_MINUS_ONE;
  if (/\/\s*255(\.0)?\s*(?![-\d\u2212])|\[0(\.0)?,\s*1(\.0)?\]/.test(said)) return { mean: [0, 0, 0], std: [1, 1, 1] };
  if (/imagenet/i.test(said) && /mean|normali[sz]/i.test(said)) return IMAGENET_PHOTOS;
  const [, key, rest = ""] = /^\W*(?:\w*_)?(mean|std)\w*:(.*)$/i.exec(said) ?? [];
  const numbers = (rest.match(/\d+(?:\.\d+)?/g) ?? []).map(Number);
  if (key === undefined || ![1, 3].includes(numbers.length)) return undefined;
  const scale = numbers.some((value) => value > 1) ? 255 : 1;
  return { [key.toLowerCase()]: numbers.map((value) => value / scale) };
}

function inputSize(said: string, { input_size }: Built): string | undefined {
  if (input_size === undefined || !/^\W*\w*(size|resolution|input|image|crop)/i.test(said)) return undefined;
  // Neither a divisor, nor a part of a decimal, nor the side that is cropped.
  const [, size] = /(?<![\d./]|\/ |side |resize )(?<!\w)(\d{2,4})(?!\d|[.%]\d)/i.exec(said) ?? [];
  const pixels = Number(size);
  if (!(pixels >= 16) || input_size[1] === pixels) return undefined;
  return `the model's input has ${input_size[1]} pixels; if so, give --input-size ${pixels}`;
}

function interpolation(said: string, built: Built): string | undefined {
  const [word] = /bicubic|bilinear|lanczos|nearest/i.exec(said) ?? [];
  if (word === undefined || built.interpolation === undefined || word.toLowerCase() === built.interpolation) {
    return undefined;
  }
  return `pictures are resized ${built.interpolation}; --interpolation has bilinear and bicubic`;
}

function channelOrder(said: string): string | undefined {
  return /\bBGR\b/.test(said) ? "knack gives the model RGB, and has no option for it" : undefined;
}
