import { z } from "../settings/zod.js";
import { didYouMean } from "../base/did-you-mean.js";
import { InputError } from "../base/errors.js";

/**
 * Checks a model's options against its family's schema and completes them.
 *
 * @throws InputError that names the model, the option and what is allowed.
 */
export function parseModelOptions<Shape extends z.ZodRawShape>(
  model: string,
  schema: z.ZodObject<Shape>,
  options: Readonly<Record<string, unknown>>,
): z.infer<z.ZodObject<Shape>> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const known = Object.keys(schema.shape);
  const problems = result.error.issues.map((issue) => {
    if (issue.code !== "unrecognized_keys") return `modelOptions.${issue.path.join(".")}: ${issue.message}`;
    const [unknown = ""] = issue.keys;
    const hint = didYouMean(unknown, known) || `; it has ${known.join(", ")}`;
    return `modelOptions.${unknown}: ${model} has no such option${hint}`;
  });
  throw new InputError(problems.join("; "));
}

/** One value of an option, described by the words that complete "must be ...". */
export function option<T>(words: string, test: (value: unknown) => boolean) {
  return z.custom<T>(test, { error: (issue) => `must be ${words}, got ${JSON.stringify(issue.input)}` });
}

/** `width`: the channels of a network's first stage. */
export function widthOption(usual: number) {
  const even = (value: unknown) => Number.isInteger(value) && Number(value) >= 2 && Number(value) % 2 === 0;
  return option<number>("an even number of channels, at least 2", even).default(usual);
}
