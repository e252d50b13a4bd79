import type { NetworkDescription } from "../../native/cpu/addon.js";
import type { Graph, GraphNode } from "../../nn/graph/graph.js";
import { Chains } from "./chains.js";
import { type LoweringOptions, type Memory, NetworkInMaking, UnsupportedLayer } from "./network.js";
import type { LoweringRule } from "./rule.js";
import { RULES } from "./rules.js";

interface InputOperation {
  readonly kind: "input";
  readonly output: number;
  /** [N, H, W, C] */
  readonly pixels: Float32Array;
}

interface OutputOperation {
  readonly kind: "output";
  readonly input: number;
  /** [N, C], as its gradient. */
  readonly result: Float32Array;
  readonly gradient: Float32Array;
}

const RULE_OF = new Map(RULES.flatMap((rule) => rule.operators.map((operator) => [operator, rule] as const)));
const ruleOf = ({ operator }: GraphNode): LoweringRule | undefined => RULE_OF.get(operator);

/**
 * A traced network as operations of the fast engine, in an order in which they can run. A batch norm, the addition after it and the
 * activation after that become one operation, as do a convolution and what follows it in inference.
 *
 * @throws UnsupportedLayer that names the operator.
 */
export function lower(graph: Graph, memory: Memory, options: LoweringOptions): NetworkDescription {
  const network = new NetworkInMaking(graph, memory, options);
  const chains = new Chains(network, ruleOf);
  const kind = network.isForConvolution(graph.input) ? "input" : "between";
  network.add<InputOperation>({ kind: "input", output: network.number(graph.input, kind), pixels: memory.images });
  for (const node of graph.nodes) if (!chains.isAbsorbed(node)) lowerNode(node, network, chains);
  for (const [index, output] of graph.outputs.entries()) {
    const input = network.readOutput(output);
    const place = memory.outputs[index];
    if (!place) throw new Error(`there is no place for the network's result ${index}`);
    network.add<OutputOperation>({ kind: "output", input, ...place });
  }
  return network.description();
}

function lowerNode(node: GraphNode, network: NetworkInMaking, chains: Chains): void {
  const chain = chains.endingWith(node);
  const head = chain?.head ?? node;
  const rule = ruleOf(head);
  if (!rule) throw new UnsupportedLayer(head.operator);
  const residual = chain?.residual && network.read(chain.residual);
  rule.lower(head, network, {
    output: node.output,
    residual,
    residualNorm: chain?.residualNorm,
    clamp: chain?.clamp,
  });
}
