import { UnsupportedLayer } from "../../engine/lowering/network.js";
import { type Elements, elementsOf } from "../elements.js";
import type { ModelProto, NodeProto, TensorProto } from "../schema.js";

/** What an ONNX file computes: nodes in an order in which they can run, and who reads and makes what. */
export class OnnxGraph {
  readonly nodes: readonly NodeProto[];
  /** The names of the images and of the logits. */
  readonly input: string;
  readonly output: string;
  readonly #constants: ReadonlyMap<string, TensorProto>;
  readonly #elements = new Map<TensorProto, Elements>();
  readonly #readers = new Map<string, NodeProto[]>();
  readonly #makers = new Map<string, NodeProto>();

  /** @throws UnsupportedLayer where it has not one input and one output */
  constructor({ graph }: ModelProto) {
    this.nodes = graph.node;
    this.#constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    const inputs = graph.input.filter(({ name }) => !this.#constants.has(name));
    const [input, output] = [inputs[0], graph.output[0]];
    if (!input || !output || inputs.length > 1 || graph.output.length > 1) {
      throw new UnsupportedLayer("networks with several inputs or outputs");
    }
    this.input = input.name;
    this.output = output.name;
    for (const node of this.nodes) {
      for (const name of node.output) this.#makers.set(name, node);
      for (const name of new Set(node.input)) this.#readers.set(name, [...this.readersOf(name), node]);
    }
  }

  makerOf(tensor: string): NodeProto | undefined {
    return this.#makers.get(tensor);
  }

  readersOf(tensor: string): readonly NodeProto[] {
    return this.#readers.get(tensor) ?? [];
  }

  /** The one node that reads a tensor, where there is just one and the tensor is no result. */
  onlyReaderOf(tensor: string): NodeProto | undefined {
    const readers = this.readersOf(tensor);
    return readers.length === 1 && tensor !== this.output ? readers[0] : undefined;
  }

  /** A constant's elements and sizes; undefined where the tensor is computed. */
  constant(tensor: string): { readonly dims: readonly number[]; readonly elements: Elements } | undefined {
    const constant = this.#constants.get(tensor);
    if (!constant) return undefined;
    const elements = this.#elements.get(constant) ?? elementsOf(constant);
    if (!elements) throw new UnsupportedLayer(`the constant ${tensor}`);
    this.#elements.set(constant, elements);
    return { dims: constant.dims, elements };
  }
}

/** A node's attributes by name. */
export class Attributes {
  /**
   * @param known the names of those that the caller looks at
   * @throws UnsupportedLayer where the node has another one
   */
  constructor(
    private readonly node: NodeProto,
    known: readonly string[],
  ) {
    const other = node.attribute.find(({ name }) => !known.includes(name));
    if (other) throw unsupported(node, `with ${other.name}`);
  }

  int(name: string, otherwise: number): number {
    return this.#get(name)?.i ?? otherwise;
  }

  text(name: string, otherwise: string): string {
    const bytes = this.#get(name)?.s;
    return bytes ? Buffer.from(bytes).toString() : otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.#get(name)?.f ?? otherwise;
  }

  ints(name: string, otherwise: readonly number[]): readonly number[] {
    return this.#get(name)?.ints ?? otherwise;
  }

  #get(wanted: string) {
    return this.node.attribute.find(({ name }) => name === wanted);
  }
}

export function unsupported({ op_type }: NodeProto, how: string): UnsupportedLayer {
  return new UnsupportedLayer(`${op_type} ${how}`);
}
