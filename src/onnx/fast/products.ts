import type { NodeProto } from "../schema.js";
import type { Grid } from "../quantize/integers.js";
import type { Integers, IntegerNetwork, Weights } from "./integer-network.js";

/** What sums of products of integers stand for, for each output channel: number = scale x sum + offset. */
export interface ProductSums {
  readonly scales: Float64Array;
  readonly offsets: Float64Array;
}

/**
 * The sums of a layer with weights over integers.
 *
 * @param zerosStay whether the sums are already without what the input's zero point adds to them
 */
export function productSums(
  node: NodeProto,
  network: IntegerNetwork,
  input: Integers,
  weights: Weights & { readonly integers: Int8Array },
  zerosStay: boolean,
): ProductSums {
  const { integers, scales: weightScales } = weights;
  const channels = weights.dims[0] ?? 0;
  const bias = network.bias(node, channels);
  const each = integers.length / channels;
  const scales = Float64Array.from(weightScales, (scale) => scale * input.grid.scale);
  const offsets = scales.map((scale, channel) => {
    const own = zerosStay
      ? 0
      : integers.subarray(channel * each, (channel + 1) * each).reduce((sum, weight) => sum + weight, 0);
    return (bias?.[channel] ?? 0) - scale * own * input.grid.zeroPoint;
  });
  return { scales, offsets };
}

/** The same in steps of a grid. */
export function inStepsOf({ scales, offsets }: ProductSums, { scale, zeroPoint }: Grid) {
  return {
    scales: Float32Array.from(scales, (each) => each / scale),
    offsets: Float32Array.from(offsets, (each) => each / scale + zeroPoint),
  };
}
