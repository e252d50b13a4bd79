import { type GraphNode, isValue, type Value } from "../../nn/graph/graph.js";
import { type Clamp, clampOf } from "./clamp.js";
import type { NetworkInMaking } from "./network.js";
import type { LoweringRule } from "./rule.js";

/** An operation's first node and what follows in it. */
interface Chain {
  readonly head: GraphNode;
  readonly residual: Value | undefined;
  /** The batch norm that the residual goes through. */
  readonly residualNorm: GraphNode | undefined;
  readonly clamp: Clamp | undefined;
}

/** Which nodes of a network become one operation: a batch norm, the addition after it and the activation after that, and so for a convolution in inference. */
export class Chains {
  /** Nodes that became part of an operation further on. */
  readonly #absorbed = new Set<GraphNode>();
  /** What an operation that ends with this node begins with. */
  readonly #heads = new Map<GraphNode, Chain>();

  constructor(
    private readonly network: NetworkInMaking,
    private readonly ruleOf: (node: GraphNode) => LoweringRule | undefined,
  ) {
    for (const node of network.graph.nodes) this.#find(node);
  }

  isAbsorbed(node: GraphNode): boolean {
    return this.#absorbed.has(node);
  }

  /** The chain that ends with a node; undefined where it is an operation of its own. */
  endingWith(node: GraphNode): Chain | undefined {
    return this.#heads.get(node);
  }

  #find(head: GraphNode): void {
    const takes = this.ruleOf(head)?.takesWhatFollows;
    const isHead = takes === "always" || (takes === "in inference" && !this.network.options.training);
    if (!isHead || this.#absorbed.has(head)) return;
    const chain = [head];
    let residual: Value | undefined;
    let residualNorm: GraphNode | undefined;
    const addition = this.network.onlyReader(head.output);
    const isTaken = addition && (this.#absorbed.has(addition) || this.#heads.has(addition));
    if (addition?.operator === "aten::add.Tensor" && this.ruleOf(addition) && !isTaken) {
      const [first, second, alpha = 1] = addition.arguments;
      const other = first === head.output ? second : first;
      if (isValue(other) && other !== head.output && alpha === 1 && String(other.shape) === String(head.output.shape)) {
        residualNorm = this.#normOnlyFor(addition, other);
        if (residualNorm) chain.push(residualNorm);
        const [normalised] = residualNorm?.arguments ?? [];
        residual = isValue(normalised) ? normalised : other;
        chain.push(addition);
      }
    }
    const activation = this.network.onlyReader((chain.at(-1) ?? head).output);
    const clamp = activation && this.ruleOf(activation) && clampOf(activation);
    if (clamp) chain.push(activation);
    const last = chain.pop();
    if (!last || last === head) return;
    for (const node of chain) this.#absorbed.add(node);
    this.#heads.set(last, { head, residual, residualNorm, clamp });
  }

  /** In training the batch norm that makes a value nobody else reads. */
  #normOnlyFor(reader: GraphNode, value: Value): GraphNode | undefined {
    if (!this.network.options.training || this.network.onlyReader(value) !== reader) return undefined;
    const maker = this.network.graph.nodes.find(({ output }) => output === value);
    const isFree = maker && this.ruleOf(maker) && !this.#absorbed.has(maker) && !this.#heads.has(maker);
    return isFree && maker.operator === "aten::batch_norm" ? maker : undefined;
  }
}
