import type { Tensor } from "../tensor/tensor.js";

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
}

/** What a metric sees of an evaluation, batch by batch. */
export interface MetricBatch {
  /** [N, classes] float32, on the device that computes. */
  readonly logits: Tensor;
  /** [N] int64, on the same device: clean hard labels. */
  readonly labels: Tensor;
}

/**
 * Something measured over the images of an evaluation. Its sums stay on the device while batches come: reading them would wait for it, so
 * that happens once, at the end.
 */
export interface Metric extends MetricDescription {
  /** Whether the value says anything about a network for that many classes. Text for people leaves it out where not. */
  readonly saysAnythingFor: (classes: number) => boolean;
  /** The sums over no images: float64 [n], for an n of the metric's choice. */
  readonly init: (classes: number, device: string) => Tensor;
  /** Adds a batch to the sums, in place, without waiting for the device. */
  readonly update: (sums: Tensor, batch: MetricBatch) => void;
  /** The value, from the sums over all images; there is at least one. */
  readonly result: (sums: readonly number[], images: number) => number;
}

/** Whether a value beats another one. Equal ones do not beat each other, and what is no number beats nothing. */
export function isBetter({ higherIsBetter }: MetricDescription, value: number, than: number): boolean {
  return higherIsBetter ? value > than : value < than;
}

/** A value for people: 0.915 -> "91.50 %", or 0.25006 -> "0.2501" */
export function valueText({ form }: MetricDescription, value: number): string {
  return form === "percent" ? `${(100 * value).toFixed(2)} %` : value.toFixed(4);
}

/** The description alone, as a thread or a file can have it. */
export function descriptionOf({ name, title, higherIsBetter, form }: MetricDescription): MetricDescription {
  return { name, title, higherIsBetter, form };
}
