/** What a file of weights says of itself under the keys of a model's options and of config.json: it is applied. */
import { z } from "../settings/zod.js";
import type { ModelEntry, ModelOptions } from "../models/entry.js";
import { MODELS } from "../models/registry.js";

type Metadata = Readonly<Record<string, string>>;

/** Keys under which files name their network: timm's, the PyTorch examples'. */
const MODEL_KEYS = ["architecture", "arch", "model", "model_name"];

const channels = z.array(z.number()).min(1);
const PICTURE_KEYS = {
  mean: channels.refine((values) => values.every((value) => Math.abs(value) <= 1)),
  std: channels.refine((values) => values.every((value) => value > 0 && value <= 1)),
  interpolation: z.enum(["bilinear", "bicubic"]),
  crop_pct: z.number().positive().max(1),
  license: z.string(),
} as const;

export interface Declared {
  readonly modelOptions: ModelOptions;
  /** Keys of config.json. */
  readonly pictures: { readonly [key in keyof typeof PICTURE_KEYS]?: z.infer<(typeof PICTURE_KEYS)[key]> };
  /** All keys that this is from. */
  readonly keys: ReadonlySet<string>;
}

/** The model of the registry that a file names as its own. */
export function declaredModel(metadata: Metadata): string | undefined {
  return MODEL_KEYS.map((key) => metadata[key]).find((name) => name !== undefined && MODELS.has(name));
}

/** What a file says in a form that is known. */
export function declaredIn(metadata: Metadata, { options }: ModelEntry): Declared {
  const read = (schema: (key: string) => z.ZodType | undefined) =>
    Object.entries(metadata).flatMap(([key, text]) => {
      const parsed = schema(key)?.safeParse(readValue(text));
      return parsed?.success ? [[key, parsed.data] as const] : [];
    });
  const modelOptions = read((key) =>
    Object.hasOwn(options.shape, key) ? (options.shape[key] as z.ZodType) : undefined,
  );
  const pictures = read((key) => Object.entries(PICTURE_KEYS).find(([name]) => name === key)?.[1]);
  return {
    modelOptions: Object.fromEntries(modelOptions) as ModelOptions,
    pictures: Object.fromEntries(pictures),
    keys: new Set([...modelOptions, ...pictures].map(([key]) => key)),
  };
}

/** Numbers, truth values and lists of numbers as such; anything else is a text. */
function readValue(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "true" || trimmed === "false") return trimmed === "true";
  const numbers = trimmed.replace(/^[[(]|[\])]$/g, "").split(/[\s,]+/);
  if (!numbers.every((number) => number !== "" && Number.isFinite(Number(number)))) return trimmed;
  return numbers.length === 1 && numbers[0] === trimmed ? Number(trimmed) : numbers.map(Number);
}
