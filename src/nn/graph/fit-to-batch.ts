import { type Graph, type GraphNode, isValue, type NodeArgument } from "./graph.js";

/**
 * A network's nodes for another batch. Two traces tell what depends on it: a number that differs between them, as a size that images are
 * reshaped to, grows in even steps from one batch to the next.
 *
 * @param traced a graph for batch `n`, and one of the same network for batch `n + 1`
 * @returns the first graph with other numbers; its values stay the same ones, with the shapes they were traced with
 *   undefined where the two are different networks
 */
export function fitToBatch(traced: readonly [Graph, Graph], batch: number): Graph | undefined {
  const [graph, next] = traced;
  const isSame = String(graph.nodes.map(operatorOf)) === String(next.nodes.map(operatorOf));
  if (!isSame) return undefined;
  const steps = batch - (graph.input.shape[0] ?? 0);
  const nodes = graph.nodes.map((node, index): GraphNode => {
    const others = next.nodes[index]?.arguments ?? [];
    return { ...node, arguments: node.arguments.map((argument, place) => fit(argument, others[place], steps)) };
  });
  return { ...graph, nodes };
}

const operatorOf = ({ operator }: GraphNode): string => operator;

function fit(argument: NodeArgument, next: NodeArgument, steps: number): NodeArgument {
  if (typeof argument === "number" && typeof next === "number") return argument + steps * (next - argument);
  if (!Array.isArray(argument) || !Array.isArray(next)) return argument;
  return argument.map((element, index) => {
    const other = next[index];
    if (isValue(element) || typeof element !== "number" || typeof other !== "number") return element;
    return element + steps * (other - element);
  });
}
