import { type GraphNode, type Value, valuesRead } from "../../nn/graph/graph.js";
import { type NetworkInMaking, type Place, UnsupportedLayer } from "./network.js";

/** What libtorch computes of a network between two of the engine's operations. */
export interface LibtorchPart {
  /** How many of the engine's operations come before it. */
  readonly after: number;
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly CrossingValue[];
  readonly outputs: readonly CrossingValue[];
}

/** A value that goes from the engine to libtorch or back: float32 in shared memory. */
export interface CrossingValue extends Place {
  readonly value: Value;
  /** [N, H, W, C] or [N, C] */
  readonly shape: readonly number[];
}

/** Collects the nodes that libtorch computes, each run of them as one part. */
export class PartsInMaking {
  readonly all: LibtorchPart[] = [];
  #open: GraphNode[] = [];
  readonly #made = new Set<Value>();

  constructor(
    private readonly network: NetworkInMaking,
    private readonly outside: ReadonlyMap<GraphNode, string>,
  ) {}

  add(node: GraphNode): void {
    this.#open.push(node);
  }

  /** Whether libtorch computes a value. */
  makes(value: Value): boolean {
    return this.#made.has(value);
  }

  /** Ends the run of nodes there is: what the engine computes next comes after them. @throws UnsupportedLayer where a value cannot cross */
  close(): void {
    if (this.#open.length === 0) return;
    const nodes = this.#withMargins(this.#open);
    this.#open = [];
    const made = new Set(nodes.map(({ output }) => output));
    const { graph } = this.network;
    const isRead = (value: Value) => !made.has(value) && !graph.parameters.has(value);
    const read = new Set(nodes.flatMap(valuesRead).filter(isRead));
    const inputs = Array.from(read, (value) => this.#leave(value));
    const after = this.network.operationCount;
    const readers = graph.nodes.filter((node) => !nodes.includes(node));
    const outputs = [...made].flatMap((value) => {
      this.#made.add(value);
      const result = graph.outputs.indexOf(value);
      const isWanted = readers.some((node) => valuesRead(node).includes(value));
      if (result >= 0 && isWanted) throw new UnsupportedLayer("a result that the network goes on with");
      if (result >= 0) return [{ value, shape: this.network.shape(value), ...this.network.resultPlace(result) }];
      return isWanted ? [this.#enter(value)] : [];
    });
    this.all.push({ after, nodes, inputs, outputs });
  }

  /** Zeros around images that a convolution would have brought itself. */
  #withMargins(nodes: readonly GraphNode[]): GraphNode[] {
    const { graph, margins } = this.network;
    return nodes.flatMap((node) => {
      const padded = valuesRead(node).filter((value) => margins.has(value));
      return [...graph.nodes.filter(({ output }) => padded.includes(output)), node];
    });
  }

  #leave(value: Value): CrossingValue {
    const crossing = this.#crossing(value);
    this.network.leave(this.network.read(value), crossing);
    return crossing;
  }

  #enter(value: Value): CrossingValue {
    const crossing = this.#crossing(value);
    this.network.enter(value, crossing);
    return crossing;
  }

  #crossing(value: Value): CrossingValue {
    const shape = this.network.shape(value);
    const [batch = 0, channels = 0, ...image] = shape;
    const isFirst = value.shape[0] === this.network.graph.input.shape[0];
    if (!isFirst || (shape.length !== 2 && shape.length !== 4)) {
      const why = [...new Set(this.outside.values())].join(", ");
      throw new UnsupportedLayer(`${why}, and a way to take [${value.shape.join(", ")}] from libtorch`);
    }
    const floats = () =>
      new Float32Array(new SharedArrayBuffer(4 * shape.reduce((product, size) => product * size, 1)));
    const gradient = this.network.learns(value) ? floats() : undefined;
    return { value, shape: [batch, ...image, channels], place: floats(), gradient };
  }
}
