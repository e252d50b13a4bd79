/** Schemas of settings, whose errors complete the sentence "KEY: must be …, not …". */
import { z } from "./zod.js";
import { didYouMean } from "../base/did-you-mean.js";

/** The keys of a part's settings and their schemas. */
export type Shape = z.ZodRawShape;

/** The values that a shape describes. */
export type Values<S extends Shape> = keyof S extends never ? Record<never, never> : z.infer<z.ZodObject<S>>;

/** A single value, described by the words that complete "must be ...". */
export function value<T>(words: string, test: (value: unknown) => boolean) {
  return z.custom<T>(test, { error: (issue) => `must be ${words}, not ${show(issue.input)}` });
}

export function number(words: string, test: (value: number) => boolean) {
  return value<number>(words, (value) => typeof value === "number" && Number.isFinite(value) && test(value));
}

export function choice<const T extends string>(...allowed: T[]) {
  return value<T>(listed(allowed), (value) => allowed.some((each) => each === value));
}

/** An object with these keys and no others. */
export function section<S extends Shape>(shape: S, words = `an object with ${Object.keys(shape).join(", ")}`) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? unknownKeys(issue.keys ?? [], Object.keys(shape))
        : `must be ${words}, not ${show(issue.input)}`,
  });
}

/** A part with settings of its own: `false` switches it off. */
export function offOr<S extends Shape>(shape: S) {
  return z.union([z.literal(false), section(shape, `false or an object with ${Object.keys(shape).join(", ")}`)]);
}

/** null, which leaves the value to somebody else, or the value. */
export function nullOr<T extends z.ZodType>(schema: T) {
  return z.union([z.null(), schema]);
}

export const flag = value<boolean>("true or false", (value) => typeof value === "boolean");
export const text = value<string>("a name", (value) => typeof value === "string" && value !== "");
export const aboveZero = number("a number above 0", (value) => value > 0);
export const atLeastZero = number("0 or a number above it", (value) => value >= 0);
export const fraction = number("a number from 0 up to, but not including, 1", (value) => value >= 0 && value < 1);
export const betweenZeroAndOne = number("a number between 0 and 1", (value) => value > 0 && value < 1);
export const count = number("a whole number above 0", (value) => Number.isSafeInteger(value) && value > 0);
export const countOrZero = number("0 or a whole number above it", (value) => Number.isSafeInteger(value) && value >= 0);

/** [smallest, largest], with 0 < smallest <= largest <= `most`. */
export function range(words: string, most: number) {
  return value<[number, number]>(words, (value) => {
    const [least, greatest, ...rest] = Array.isArray(value) ? value.map(Number) : [];
    const ordered = least !== undefined && greatest !== undefined && 0 < least && least <= greatest;
    return ordered && greatest <= most && rest.length === 0;
  });
}

/** What is wrong with one key of a recipe. */
export interface Problem {
  /** "warmup.epochs"; "" is the whole. */
  readonly key: string;
  readonly message: string;
}

/** What a schema found wrong. The issue of a union is that of its last member: the first one only says that the part is not switched off. */
export function problemsOf(issue: z.core.$ZodIssue, path: readonly PropertyKey[] = []): Problem[] {
  const here = [...path, ...issue.path];
  const members = issue.code === "invalid_union" ? issue.errors.at(-1) : undefined;
  return members?.flatMap((member) => problemsOf(member, here)) ?? [{ key: here.join("."), message: issue.message }];
}

function unknownKeys(keys: readonly string[], allowed: readonly string[]): string {
  return keys
    .map((key) => `unknown key ${show(key)}${didYouMean(key, allowed) || ` (there are: ${allowed.join(", ")})`}`)
    .join("; ");
}

/** "a, b or c" */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** A value as a message shows it: JSON, not longer than 60 characters; "missing" where there is none. */
export function show(value: unknown): string {
  if (value === undefined) return "missing";
  const shown = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
