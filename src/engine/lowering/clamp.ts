import type { GraphNode } from "../../nn/graph/graph.js";

/** min(max(x, low), high). At the borders the gradient passes (clamp) or does not (relu). */
export interface Clamp {
  readonly low: number;
  readonly high: number;
  readonly gradientAtBorders: boolean;
}

/** The operators that are clamps. */
export const CLAMPS = ["aten::relu", "aten::clamp"] as const;

/** What a node cuts off; undefined where it is another operator. */
export function clampOf({ operator, arguments: [, low, high] }: GraphNode): Clamp | undefined {
  if (operator === "aten::relu") return { low: 0, high: Number.POSITIVE_INFINITY, gradientAtBorders: false };
  if (operator !== "aten::clamp") return undefined;
  return {
    low: Number(low ?? Number.NEGATIVE_INFINITY),
    high: Number(high ?? Number.POSITIVE_INFINITY),
    gradientAtBorders: true,
  };
}
