import type { ModelProto } from "../schema.js";
import { OnnxSession } from "./onnx-session.js";
import { type Pictures, picturesFrom } from "./pictures.js";

const ROUNDS = 7;
const ROUND_MILLISECONDS = 300;

/** Images a second in ONNX Runtime. */
export interface Speeds {
  readonly batch: number;
  readonly float: number;
  readonly integers: number;
}

/** Both models in turn, each the median of some rounds. */
export async function speedsInTurn(
  float: ModelProto,
  integers: ModelProto,
  pictures: Pictures,
  batch: number,
): Promise<Speeds> {
  await using one = await OnnxSession.open(float);
  await using other = await OnnxSession.open(integers);
  const some = picturesFrom(pictures, 0, batch);
  const rates: { float: number; integers: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rates.push({ float: await rate(one, some), integers: await rate(other, some) });
  }
  const medianOf = (key: "float" | "integers") => median(rates.map((each) => each[key]));
  return { batch: some.count, float: medianOf("float"), integers: medianOf("integers") };
}

async function rate(session: OnnxSession, pictures: Pictures): Promise<number> {
  let seconds = 0;
  let images = 0;
  while (1000 * seconds < ROUND_MILLISECONDS) {
    seconds += await session.seconds(pictures);
    images += pictures.count;
  }
  return images / seconds;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
