import type { Evaluated, Outcomes, Truth } from "./outcomes.js";

/** Values by the metrics' names. */
export type MetricValues = Readonly<Record<string, number>>;

/** What is to be known of a metric without computing it: plain JSON. */
export interface MetricDescription {
  /** Its key in records, tags and files: "top-1". */
  readonly name: string;
  /** For people, as a label before its value. */
  readonly title: string;
  readonly higherIsBetter: boolean;
  /** How its value is printed: a fraction of 1 as a percentage, or the number itself. */
  readonly form: "percent" | "number";
  /** Whether a line for people has it unasked. */
  readonly brief?: boolean | undefined;
}

/** What is to be known of a metric beside its values. */
export interface MetricFacts extends MetricDescription {
  /** What it is, in a line for people; of what scikit-learn has, how that is called there. */
  readonly meaning: string;
  /** Whether the value says anything about a network for that many classes, as it does by default. Text for people leaves it out where not. */
  readonly saysAnythingFor?: (classes: number) => boolean;
  /** Why it has no value for images of these labels, as by default it has. It is left out there. */
  readonly undefinedFor?: (truth: Truth) => string | undefined;
  /** Whether it takes the order of the classes to mean something, which it seldom does. */
  readonly ofOrder?: boolean;
  /** Whether images that are drawn twice shift it, so that a bootstrap says nothing about it. */
  readonly shiftedByRepeats?: boolean;
}

/** Something measured over the images of an evaluation. */
export interface Metric<Of extends Evaluated = Outcomes> extends MetricFacts {
  /** The value. NaN where images that count are such as `undefinedFor` tells. */
  readonly value: (outcomes: Of) => number;
}

/**
 * By what a value is better than another one: above 0 where it is, 0 where it is as good, below 0 where it is worse. What is no number is worse
 * than any.
 */
export function betterBy({ higherIsBetter }: MetricDescription, value = Number.NaN, than = Number.NaN): number {
  if (Number.isNaN(value) || Number.isNaN(than)) return Number(Number.isNaN(than)) - Number(Number.isNaN(value));
  return higherIsBetter ? value - than : than - value;
}

/** A value for people: 0.915 -> "91.50 %", or 0.25006 -> "0.2501" */
export function valueText({ form }: MetricDescription, value: number): string {
  return form === "percent" ? `${(100 * value).toFixed(2)} %` : value.toFixed(4);
}

/** The description alone, as a thread or a file can have it. */
export function descriptionOf({ name, title, higherIsBetter, form, brief }: MetricDescription): MetricDescription {
  return { name, title, higherIsBetter, form, ...(brief && { brief }) };
}
