import type { InferenceSession } from "onnxruntime-node";
import type { InputFormat } from "../data/split.js";
import { prepareImages } from "../training/prepare-images.js";
import { KnackError } from "../base/errors.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { scope } from "../tensor/scope.js";
import { INPUT, type OnnxForm, OUTPUT } from "./export.js";
import { intoPlanes, plainTables } from "./picture-input.js";

/** How far ONNX Runtime's logits may be from knack's, as a share of the largest logit, or of 1 where that is less. */
export const TOLERANCE = 1e-4;

const BATCH = 8;

export interface Verification {
  /** How many pictures were compared. */
  readonly pictures: number;
  /** The sizes of the batches they were compared in. */
  readonly batches: readonly number[];
  /** The largest absolute difference of two logits. */
  readonly difference: number;
  /** difference / max(1, the largest logit) */
  readonly relativeDifference: number;
  /** The share of comparisons in which both have the same class first. */
  readonly top1Agreement: number;
  readonly passed: boolean;
}

/**
 * Compares a model's logits with those that ONNX Runtime computes from its export, on the CPU: for the first picture alone,
 * then for all in batches of up to 8, or in those of the file's fixed size.
 *
 * @param exported the ONNX file's bytes
 * @param pictures at least one; each loads as [H, W, C] uint8.
 * @throws KnackError where ONNX Runtime refuses the export.
 */
export async function verifyOnnx(
  model: Module,
  exported: Uint8Array,
  pictures: readonly (() => Promise<Uint8Array>)[],
  format: InputFormat,
  { batch: fixed, normalise }: OnnxForm = {},
): Promise<Verification> {
  const batches = fixed === undefined ? inAnyBatches(pictures) : inBatchesOf(fixed, pictures);

  const { default: runtime } = await import("onnxruntime-node");
  const session = await createSession(runtime.InferenceSession, exported);
  let [difference, largest, agreeing, compared] = [0, 0, 0, 0];
  for (const batch of batches) {
    const pixels = Buffer.concat(await Promise.all(batch.map((load) => load())));
    const { shape, images, expected } = scope(() => {
      const input = prepareImages(pixels, format, "cpu");
      const logits = noGradient(() => model.forward(input));
      return { shape: input.shape, images: new Float32Array(input.bytes().buffer), expected: logits.toArray() };
    });
    const { height, width, channels } = format;
    const bytes = () => intoPlanes(new Uint8Array(pixels.length), pixels, height * width, plainTables(channels));
    const fed = normalise ? new runtime.Tensor("uint8", bytes(), shape) : new runtime.Tensor("float32", images, shape);
    const outputs = await session.run({ [INPUT]: fed });
    const logits = outputs[OUTPUT]?.data ?? [];
    const classes = expected.length / batch.length;
    for (let row = 0; row < expected.length; row += classes) {
      const ours = expected.slice(row, row + classes);
      const theirs = ours.map((_, index) => Number(logits[row + index]));
      difference = ours.reduce((most, value, index) => larger(most, value - (theirs[index] ?? Number.NaN)), difference);
      largest = ours.reduce(larger, largest);
      agreeing += Number(argmax(ours) === argmax(theirs));
      compared++;
    }
  }
  await session.release();
  const relativeDifference = difference / Math.max(1, largest);
  return {
    pictures: pictures.length,
    batches: [...new Set(batches.map(({ length }) => length))],
    difference,
    relativeDifference,
    top1Agreement: agreeing / compared,
    passed: relativeDifference <= TOLERANCE,
  };
}

/** The first alone, then all in batches; one picture twice is still a batch. */
function inAnyBatches<T>(pictures: readonly T[]): (readonly T[])[] {
  const all = pictures.length === 1 ? [...pictures, ...pictures] : pictures;
  return [all.slice(0, 1), ...chunks(all, BATCH)];
}

/** All in batches of one size; where it does not divide their number, the first come again. */
function inBatchesOf<T>(size: number, pictures: readonly T[]): (readonly T[])[] {
  const count = Math.ceil(pictures.length / size) * size;
  return chunks(
    Array.from({ length: count }, (_, index) => pictures[index % pictures.length] as T),
    size,
  );
}

function chunks<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

async function createSession(factory: typeof InferenceSession, exported: Uint8Array): Promise<InferenceSession> {
  try {
    // Errors are thrown; at this level they are not printed as well.
    return await factory.create(exported, { logSeverityLevel: 4 });
  } catch (error) {
    throw new KnackError(`ONNX Runtime refuses the exported model: ${(error as Error).message}`, { cause: error });
  }
}

/** The larger magnitude; NaN where one of them is, so that it cannot pass unnoticed. */
function larger(a: number, b: number): number {
  return Math.max(Math.abs(a), Math.abs(b));
}

function argmax(values: readonly number[]): number {
  return values.indexOf(values.reduce((a, b) => Math.max(a, b)));
}
