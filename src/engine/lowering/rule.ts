import type { GraphNode, NodeArgument, Value } from "../../nn/graph/graph.js";
import type { Clamp } from "./clamp.js";
import { type NetworkInMaking, UnsupportedLayer } from "./network.js";

/** How an ATen operator becomes an operation of the fast engine. */
export interface LoweringRule {
  /** "aten::conv2d"; several where they are one operation of the engine. */
  readonly operators: readonly string[];
  /** When the operation also does the addition and the activation after it; without, never. */
  readonly takesWhatFollows?: "always" | "in inference";
  /** Adds the operation to the network. @throws UnsupportedLayer where the engine has none for these arguments */
  lower(node: GraphNode, network: NetworkInMaking, whole: WholeOperation): void;
}

/** An operation's end: the node's own, or that of what follows it in the same operation. */
export interface WholeOperation {
  readonly output: Value;
  /** The number of a value that is added before the clamp. */
  readonly residual: number | undefined;
  /** The batch norm that the residual goes through. */
  readonly residualNorm: GraphNode | undefined;
  readonly clamp: Clamp | undefined;
}

/** The error for a node whose arguments the engine has no operation for. */
export function unsupported({ operator }: GraphNode): UnsupportedLayer {
  return new UnsupportedLayer(operator);
}

/** "int[2]" as libtorch reads it: one number for both. */
export function pairOf(argument: NodeArgument): readonly [number, number] {
  if (Array.isArray(argument)) return [Number(argument[0]), Number(argument[1] ?? argument[0])];
  return [Number(argument), Number(argument)];
}
