import type { Graph, GraphNode } from "../../nn/graph/graph.js";
import { Chains } from "./chains.js";
import { multiplyAddsOf } from "./multiply-adds.js";
import {
  type LoweredOperations,
  type LoweringOptions,
  type Memory,
  NetworkInMaking,
  UnsupportedLayer,
} from "./network.js";
import { type LibtorchPart, PartsInMaking } from "./parts.js";
import type { LoweringRule } from "./rule.js";
import { RULES } from "./rules.js";

/** A network as operations of the fast engine, and what libtorch computes between them. */
export interface Lowered extends LoweredOperations {
  readonly parts: readonly LibtorchPart[];
}

/** What the engine leaves to libtorch, and why: the names of operators, and sizes that oneDNN has no fast code for. */
export type LeftToLibtorch = ReadonlyMap<GraphNode, string>;

const RULE_OF = new Map(RULES.flatMap((rule) => rule.operators.map((operator) => [operator, rule] as const)));

/** Of a network's multiplications: where the engine has less, libtorch alone is no slower. */
const LEAST_SHARE = 0.5;

/** A node for which the engine has no operation. */
class LackingNode extends Error {
  constructor(
    readonly node: GraphNode,
    why: string,
  ) {
    super(why);
  }
}

/**
 * A traced network as operations of the fast engine, in an order in which they can run. A batch norm, the addition after it and the
 * activation after that become one operation, as do a convolution and what follows it in inference. What the engine lacks is libtorch's.
 *
 * @param left what is libtorch's in any case
 * @throws UnsupportedLayer that names the operators, where the engine would have little left, or the parts do not fit together
 */
export function lower(graph: Graph, memory: Memory, options: LoweringOptions, left: LeftToLibtorch): Lowered {
  const outside = new Map(left);
  for (const node of graph.nodes) if (!RULE_OF.has(node.operator)) outside.set(node, node.operator);
  for (;;) {
    requireEnoughInside(graph, outside);
    try {
      return lowerAround(graph, memory, options, outside);
    } catch (error) {
      if (!(error instanceof LackingNode)) throw error;
      outside.set(error.node, error.message);
    }
  }
}

function lowerAround(graph: Graph, memory: Memory, options: LoweringOptions, outside: LeftToLibtorch): Lowered {
  const network = new NetworkInMaking(graph, memory, options);
  const ruleOf = (node: GraphNode) => (outside.has(node) ? undefined : RULE_OF.get(node.operator));
  const chains = new Chains(network, ruleOf);
  const parts = new PartsInMaking(network, outside);
  network.enter(graph.input, { place: memory.images, gradient: undefined });
  for (const node of graph.nodes) {
    if (chains.isAbsorbed(node)) continue;
    if (outside.has(node)) {
      parts.add(node);
      continue;
    }
    parts.close();
    lowerNode(node, network, chains, ruleOf);
  }
  parts.close();
  for (const [index, output] of graph.outputs.entries()) {
    if (!parts.makes(output)) network.leave(network.readOutput(output), network.resultPlace(index));
  }
  return { ...network.lowered(), parts: parts.all };
}

function lowerNode(
  node: GraphNode,
  network: NetworkInMaking,
  chains: Chains,
  ruleOf: (node: GraphNode) => LoweringRule | undefined,
): void {
  const chain = chains.endingWith(node);
  const head = chain?.head ?? node;
  const rule = ruleOf(head);
  if (!rule) throw new Error(`${head.operator} has no rule, and is not left to libtorch`);
  network.lowering = head;
  try {
    const residual = chain?.residual && network.read(chain.residual);
    rule.lower(head, network, {
      output: node.output,
      residual,
      residualNorm: chain?.residualNorm,
      clamp: chain?.clamp,
    });
  } catch (error) {
    throw error instanceof UnsupportedLayer ? new LackingNode(head, error.message) : error;
  } finally {
    network.lowering = undefined;
  }
}

function requireEnoughInside(graph: Graph, outside: LeftToLibtorch): void {
  if (outside.size === 0) return;
  const workOf = (nodes: readonly GraphNode[]) => nodes.reduce((sum, node) => sum + multiplyAddsOf(node), 0);
  const all = workOf(graph.nodes);
  const inside = workOf(graph.nodes.filter((node) => !outside.has(node)));
  if (inside < LEAST_SHARE * all || inside === 0) throw new UnsupportedLayer([...new Set(outside.values())].join(", "));
}
