import type { Clamp } from "../../engine/lowering/clamp.js";
import type { Grid } from "../quantize/integers.js";
import type { NodeProto } from "../schema.js";
import type { OnnxGraph } from "./onnx-graph.js";

/** What numbers are cut off to. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/** What an activation cuts off; undefined where the node is another operator. */
export function boundsOf({ op_type, input }: NodeProto, graph: OnnxGraph): Bounds | undefined {
  if (op_type === "Relu") return { low: 0, high: Number.POSITIVE_INFINITY };
  if (op_type !== "Clip") return undefined;
  const bound = (name: string | undefined, otherwise: number) => (name ? graph.constant(name)?.elements[0] : otherwise);
  const low = bound(input[1], Number.NEGATIVE_INFINITY);
  const high = bound(input[2], Number.POSITIVE_INFINITY);
  // One that is computed.
  if (low === undefined || high === undefined) return undefined;
  return { low, high };
}

/** All numbers of a grid, or those of them within bounds, in the steps of another grid. */
export function inSteps(of: Grid, within: Bounds | undefined, { scale, zeroPoint }: Grid): Bounds {
  const low = Math.max(-of.zeroPoint * of.scale, within?.low ?? Number.NEGATIVE_INFINITY);
  const high = Math.min((255 - of.zeroPoint) * of.scale, within?.high ?? Number.POSITIVE_INFINITY);
  return { low: low / scale + zeroPoint, high: high / scale + zeroPoint };
}

/** The same as the engine's operations on float32 want it. */
export function asClamp(bounds: Bounds | undefined): Clamp | undefined {
  return bounds && { ...bounds, gradientAtBorders: false };
}
