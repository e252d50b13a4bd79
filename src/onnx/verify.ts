import type { InferenceSession } from "onnxruntime-node";
import type { InputFormat } from "../data/split.js";
import { prepareImages } from "../training/prepare-images.js";
import { KnackError } from "../base/errors.js";
import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { scope } from "../tensor/scope.js";
import { INPUT, OUTPUT } from "./export.js";

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
 * then for all in batches of up to 8.
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
): Promise<Verification> {
  // One picture twice is still a batch.
  const all = pictures.length === 1 ? [...pictures, ...pictures] : pictures;
  const batches = [all.slice(0, 1)];
  for (let start = 0; start < all.length; start += BATCH) batches.push(all.slice(start, start + BATCH));

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
    const outputs = await session.run({ [INPUT]: new runtime.Tensor("float32", images, shape) });
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
