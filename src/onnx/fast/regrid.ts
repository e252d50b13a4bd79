import type { Quad } from "../../native/cpu/addon.js";
import { type Grid, roundHalfEven } from "../quantize/integers.js";
import type { Bounds } from "./bounds.js";
import type { Ending, Integers, IntegerNetwork } from "./integer-network.js";
import { UnsupportedLayer } from "../../engine/lowering/network.js";

/** Activations side by side along the channels, each byte through its activation's table. */
interface IntegerConcatenation {
  readonly kind: "int8Concatenation";
  readonly inputs: readonly number[];
  readonly output: number;
  /** 256 bytes for each input. */
  readonly tables: Uint8Array;
  /** Channels of zeros before the inputs' ones; those that are left after them are zeros too. */
  readonly before: number;
  /** The integer that is a zero. */
  readonly zero: number;
}

/**
 * Brings integers onto one grid, side by side along the channels.
 *
 * @param zeros channels of zeros before and after them
 */
export function regrid(
  network: IntegerNetwork,
  tensor: string,
  inputs: readonly Integers[],
  { grid, bounds }: { readonly grid: Grid; readonly bounds: Bounds | undefined },
  [before, after]: readonly [number, number] = [0, 0],
): void {
  const [batch = 0, , height = 0, width = 0] = inputs[0]?.shape ?? [];
  const channels = inputs.reduce((sum, { shape }) => sum + shape[1], before + after);
  const shape: Quad = [batch, channels, height, width];
  if (inputs.some((input) => String(input.shape) !== String([batch, input.shape[1], height, width]))) {
    throw new UnsupportedLayer("images of several sizes side by side");
  }
  network.add<IntegerConcatenation>({
    kind: "int8Concatenation",
    inputs: inputs.map(({ number }) => number),
    output: network.makeIntegers(tensor, shape, grid),
    tables: Uint8Array.from(inputs.flatMap((input) => tableOf(input.grid, grid, bounds))),
    before,
    zero: grid.zeroPoint,
  });
}

/** Names integers that an operation has left on their grid, once they are on the one they are rounded to. */
export function passOn(network: IntegerNetwork, { tensor, grid, bounds }: Ending, integers: Integers): void {
  if (!grid && bounds) throw new UnsupportedLayer("an activation that is not rounded after it");
  if (!grid || (!bounds && isSame(grid, integers.grid)))
    network.nameIntegers(tensor, { ...integers, maker: undefined });
  else regrid(network, tensor, [integers], { grid, bounds });
}

export function isSame(a: Grid, b: Grid): boolean {
  return a.scale === b.scale && a.zeroPoint === b.zeroPoint;
}

/** What each integer of a grid is on another one. */
function tableOf(from: Grid, to: Grid, bounds: Bounds | undefined): number[] {
  return Array.from({ length: 256 }, (_, integer) => {
    const value = (integer - from.zeroPoint) * from.scale;
    return nearest(bounds ? Math.min(Math.max(value, bounds.low), bounds.high) : value, to);
  });
}

/** The integer of a grid that is nearest to a number, as float32 has it. */
export function nearest(value: number, { scale, zeroPoint }: Grid): number {
  return Math.min(Math.max(roundHalfEven(Math.fround(Math.fround(value) / scale)) + zeroPoint, 0), 255);
}
