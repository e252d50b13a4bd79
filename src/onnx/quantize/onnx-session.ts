import type { InferenceSession, Tensor } from "onnxruntime-node";
import { KnackError } from "../../base/errors.js";
import { computingThreads } from "../../native/torch/library-settings.js";
import { INPUT, OUTPUT } from "../export.js";
import { intoPlanes, normalisingTables } from "../picture-input.js";
import { encodeModel, type ModelProto } from "../schema.js";
import { type Pictures, picturesFrom } from "./pictures.js";

/** A model of messages in ONNX Runtime, on the CPU, with as many threads as libtorch would have. Its input takes normalised float32. */
export class OnnxSession implements AsyncDisposable {
  private constructor(
    private readonly session: InferenceSession,
    private readonly tensor: typeof Tensor,
  ) {}

  /** @throws KnackError where ONNX Runtime refuses the model */
  static async open(model: ModelProto): Promise<OnnxSession> {
    const { default: runtime } = await import("onnxruntime-node");
    try {
      // Errors are thrown; at this level they are not printed as well.
      const options = { logSeverityLevel: 4, intraOpNumThreads: computingThreads() } as const;
      const session = await runtime.InferenceSession.create(encodeModel(model), options);
      return new OnnxSession(session, runtime.Tensor);
    } catch (error) {
      throw new KnackError(`ONNX Runtime refuses the model: ${(error as Error).message}`, { cause: error });
    }
  }

  /** The input and all outputs by name, for pictures in batches, one after the other. */
  async *outputs(pictures: Pictures, batch: number): AsyncGenerator<Map<string, Float32Array>> {
    for (let start = 0; start < pictures.count; start += batch) {
      const images = this.#input(picturesFrom(pictures, start, batch));
      const outputs = { [INPUT]: images, ...(await this.session.run({ [INPUT]: images })) };
      yield new Map(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
    }
  }

  /** How long all the pictures take at once. */
  async seconds(pictures: Pictures): Promise<number> {
    const images = this.#input(pictures);
    const start = performance.now();
    await this.session.run({ [INPUT]: images });
    return (performance.now() - start) / 1000;
  }

  #input({ pixels, count, format }: Pictures): Tensor {
    const { height, width, channels, mean, std } = format;
    const images = new Float32Array(pixels.length);
    intoPlanes(images, pixels, height * width, normalisingTables(mean, std));
    return new this.tensor("float32", images, [count, channels, height, width]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.release();
  }
}

/** How many pictures go through a network at once, where memory allows. */
const BATCH = 16;

/** A model's logits for each picture, row after row. */
export async function logitsOf(model: ModelProto, pictures: Pictures): Promise<Float32Array> {
  await using session = await OnnxSession.open(model);
  const parts: Float32Array[] = [];
  for await (const outputs of session.outputs(pictures, BATCH)) parts.push(outputs.get(OUTPUT) as Float32Array);
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
