import ort, { type InferenceSession } from "onnxruntime-node";
import { InputError, KnackError } from "../base/errors.js";
import { fastOnnx } from "../onnx/fast/fast-onnx.js";
import { readOnnxModel } from "../onnx/model-file.js";
import { intoPlanes, normalisingTables, plainTables } from "../onnx/picture-input.js";
import { lookOf } from "../weights/config.js";
import { IMAGENET_PHOTOS } from "../models/entry.js";
import { forChannels, isChannels } from "../settings/channels.js";
import { FastWhereSame } from "./fast-onnx-network.js";
import { BATCH_SIZE, type Network } from "./network.js";
import type { OnnxDescription } from "./onnx-description.js";

/**
 * The network of an ONNX file on the CPU, computed by the fast engine where it is in integers of 8 bits and the engine has all of it, else by
 * ONNX Runtime. Its first float32 or uint8 input of four dimensions takes the
 * pictures, which a uint8 one normalises itself; its first output holds logits. A file of another program may have probabilities there.
 *
 * @throws InputError where ONNX Runtime refuses the file, or where it takes or gives something else.
 */
export async function openOnnxNetwork(path: string, description: OnnxDescription): Promise<Network> {
  const session = await createSession(path);
  const inputs = session.inputMetadata.filter((one) => one.isTensor);
  const input = inputs.find(({ type, shape }) => (type === "float32" || type === "uint8") && shape.length === 4);
  const [output] = session.outputNames;
  if (input === undefined || output === undefined) {
    await session.release();
    throw new InputError(`${path} classifies no pictures: it has no float32 or uint8 input of [N, C, H, W]`);
  }
  const { batch, channels, height, width, mean, std } = inputOf(path, input.shape, description);
  const imageSize = channels * height * width;
  const slow: Network = {
    format: {
      ...lookOf(description),
      size: [height, width],
      channels,
      mean: description.normalised_inside?.mean ?? mean,
    },
    batchSize: batch ?? BATCH_SIZE,
    async logits(pixels) {
      const count = pixels.length / imageSize;
      // A batch of a fixed size is filled up.
      const size = batch ?? count;
      const images = inputTensor(input.type === "uint8", pixels, [size, channels, height, width], { mean, std });
      const fed = { [input.name]: images };
      const data = (await explained(path, () => session.run(fed, [output])))[output]?.data;
      if (!(data instanceof Float32Array) || data.length === 0 || data.length % size !== 0) {
        throw new InputError(`${path}: its output ${output} is not float32 [N, classes]`);
      }
      const classes = data.length / size;
      const rows = data.subarray(0, count * classes);
      return description.input_size === undefined && areProbabilities(rows, classes) ? rows.map(Math.log) : rows;
    },
    dispose: () => session.release(),
  };
  const fast =
    input.type === "uint8" ? undefined : fastOnnx(readOnnxModel(path), { channels, height, width, mean, std });
  return fast ? new FastWhereSame(path, fast, slow) : slow;
}

/** How pictures go in: by the graph's input, then by the file's metadata, then as networks trained on ImageNet have it. */
function inputOf(path: string, shape: readonly (number | string)[], description: OnnxDescription) {
  const described = [undefined, ...(description.input_size ?? [])];
  const [batch, channels = 3, height = 224, width = 224] = shape.map((dimension, i) =>
    typeof dimension === "number" ? dimension : described[i],
  );
  if (!isChannels(channels)) {
    throw new InputError(`${path} takes [${shape.join(", ")}], knack has pictures as [N, C, H, W] of 1 to 5 channels`);
  }
  // What nearly all networks trained on ImageNet expect.
  const { mean = forChannels(IMAGENET_PHOTOS.mean, channels), std = forChannels(IMAGENET_PHOTOS.std, channels) } =
    description;
  if (mean.length !== channels || std.length !== channels) {
    throw new InputError(`${path}: metadata mean and std: expected one number for each of ${channels} channels`);
  }
  return { batch, channels, height, width, mean, std } as const;
}

/**
 * Pictures as the file's input: [N, H, W, C] uint8 -> [size, C, H, W], as they are where it takes bytes, else (pixel / 255 - mean) / std.
 */
function inputTensor(
  takesBytes: boolean,
  pixels: Uint8Array,
  [size, channels, height, width]: readonly [number, number, number, number],
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): ort.Tensor {
  const area = height * width;
  const [count, shape] = [size * channels * area, [size, channels, height, width]];
  if (takesBytes) {
    return new ort.Tensor("uint8", intoPlanes(new Uint8Array(count), pixels, area, plainTables(channels)), shape);
  }
  return new ort.Tensor(
    "float32",
    intoPlanes(new Float32Array(count), pixels, area, normalisingTables(mean, std)),
    shape,
  );
}

/** Whether each row is a distribution, as after a softmax. */
function areProbabilities(rows: Float32Array, classes: number): boolean {
  for (let start = 0; start < rows.length; start += classes) {
    const row = rows.subarray(start, start + classes);
    const sum = row.reduce((total, value) => total + value, 0);
    if (Math.abs(sum - 1) > 1e-3 || row.some((value) => value < 0)) return false;
  }
  return true;
}

async function createSession(path: string): Promise<InferenceSession> {
  // What is wrong is thrown; at this level it is not printed as well.
  try {
    return await ort.InferenceSession.create(path, { logSeverityLevel: 4 });
  } catch (error) {
    throw new InputError(`${path} cannot be read as an ONNX model: ${firstLine(error)}`, error);
  }
}

async function explained<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new KnackError(`${path}: ONNX Runtime failed: ${firstLine(error)}`, { cause: error });
  }
}

function firstLine(error: unknown): string {
  return (error as Error).message.split("\n", 1)[0] ?? "";
}
