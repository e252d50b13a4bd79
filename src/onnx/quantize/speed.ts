import type { ModelProto } from "../schema.js";
import { type FastOnnx, fastOnnx } from "../fast/fast-onnx.js";
import { OnnxSession } from "./onnx-session.js";
import { type Pictures, picturesFrom } from "./pictures.js";

const ROUNDS = 5;
const ROUND_MILLISECONDS = 250;

/** Images a second. */
export interface Speeds {
  readonly batch: number;
  /** In ONNX Runtime, as `integers`. */
  readonly float: number;
  readonly integers: number;
  /** By knack's fast engine; undefined where that cannot compute it. */
  readonly fast: number | undefined;
}

/** Both models in ONNX Runtime and the one in integers by the fast engine, in turn, each the median of some rounds. */
export async function speedsInTurn(
  float: ModelProto,
  integers: ModelProto,
  pictures: Pictures,
  batch: number,
): Promise<Speeds> {
  await using one = await OnnxSession.open(float);
  await using other = await OnnxSession.open(integers);
  using fast = fastOnnx(integers, pictures.format);
  const some = picturesFrom(pictures, 0, batch);
  const rates: Pick<Speeds, "float" | "integers" | "fast">[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rates.push({
      float: await rate(some, () => one.seconds(some)),
      integers: await rate(some, () => other.seconds(some)),
      fast: fast && (await rate(some, () => secondsOf(fast, some))),
    });
  }
  const medianOf = (key: "float" | "integers" | "fast") => median(rates.map((each) => each[key] ?? 0));
  return {
    batch: some.count,
    float: medianOf("float"),
    integers: medianOf("integers"),
    fast: fast && medianOf("fast"),
  };
}

async function rate(pictures: Pictures, pass: () => number | Promise<number>): Promise<number> {
  let seconds = 0;
  let images = 0;
  while (1000 * seconds < ROUND_MILLISECONDS) {
    seconds += await pass();
    images += pictures.count;
  }
  return images / seconds;
}

function secondsOf(network: FastOnnx, { pixels }: Pictures): number {
  const start = performance.now();
  network.logits(pixels);
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
