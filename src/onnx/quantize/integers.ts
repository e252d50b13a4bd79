/** Numbers as small integers: number = scale x (integer - zero point), rounded to the nearest, halves to the even one, as ONNX's QuantizeLinear rounds. */

/** What a tensor's numbers are taken to lie between; what lies outside becomes the nearer end. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** The uint8 of a tensor. */
export interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The int8 of a layer's weights: symmetric, a scale for each output channel. */
export interface IntegerWeights {
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

/** The least scale whose product with another one float32 still holds. */
const LEAST_SCALE = 2 ** -60;
/** A bias is at most so many steps, so that sums of products beside it stay in an int32. */
const MOST_BIAS = 2 ** 30;

/** 256 steps from the lowest to the highest number of a range, one of which is 0 exactly: padding and what ReLU cuts off are 0. */
export function gridOf(range: Range): Grid {
  const [low, high] = [Math.min(range.low, 0), Math.max(range.high, 0)];
  if (high - low === 0) return { scale: 1, zeroPoint: 0 };
  const scale = Math.max(Math.fround((high - low) / 255), LEAST_SCALE);
  return { scale, zeroPoint: limited(roundHalfEven(-low / scale), 0, 255) };
}

/**
 * @param weights [channels, …]
 * @param largest the largest magnitude of an integer
 * @param bias [channels], if the layer has one: where the weights are tiny beside it, their steps grow until it fits an int32 too
 * @param inputScale that of what the weights are multiplied by
 */
export function integerWeights(
  weights: Float32Array,
  channels: number,
  largest: number,
  bias: Float32Array | undefined,
  inputScale: number,
): IntegerWeights {
  const each = weights.length / channels;
  const scales = Float32Array.from({ length: channels }, (_, channel) => {
    const own = weights.subarray(channel * each, (channel + 1) * each);
    const most = own.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    return Math.max(most / largest, Math.abs(bias?.[channel] ?? 0) / inputScale / MOST_BIAS, LEAST_SCALE);
  });
  const values = Int8Array.from(weights, (weight, i) => {
    return limited(roundHalfEven(weight / (scales[Math.floor(i / each)] as number)), -largest, largest);
  });
  return { values, scales };
}

/** A bias in steps of the products it is added to: input x weight. */
export function integerBias(bias: Float32Array, weightScales: Float32Array, inputScale: number) {
  const scales = weightScales.map((scale) => scale * inputScale);
  return {
    values: Int32Array.from(bias, (value, channel) => roundHalfEven(value / (scales[channel] as number))),
    scales,
  };
}

export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

function limited(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
