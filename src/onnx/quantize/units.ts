/** Which parts of a network can be computed in integers. */
import type { ModelProto, NodeProto, TensorProto } from "../schema.js";
import { paddingInside } from "./padding.js";

/** A node of a network and what becomes one with it in integers. */
export interface Unit {
  readonly node: NodeProto;
  /** The ReLU or ReLU6 after it, which cuts off nothing that an integer of its range could be. */
  readonly activation: NodeProto | undefined;
  /** The tensors it reads that are no weights. */
  readonly inputs: readonly string[];
  /** The activation's where there is one. */
  readonly output: string;
  /** The layer's name, "layer1.0.conv1", where it has weights. */
  readonly layer: string | undefined;
  /** Whether runtimes have it in integers. */
  readonly able: boolean;
  /** Whether its integers are those it reads, on the same grid. */
  readonly passesOn: boolean;
}

/** A network as units, in an order in which they can run. */
export interface Units {
  readonly all: readonly Unit[];
  readonly initializers: ReadonlyMap<string, TensorProto>;
  readonly layers: readonly string[];
}

const WITH_WEIGHTS = new Set(["Conv", "Gemm"]);
const PASSING_ON = new Set(["MaxPool", "Flatten", "Reshape"]);
const WITHOUT_WEIGHTS = new Set(["Add", "AveragePool", "GlobalAveragePool", "Concat", ...PASSING_ON]);
/** What an activation becomes one with. */
const BEFORE_ACTIVATION = new Set([...WITH_WEIGHTS, "Add"]);

export function unitsOf({ graph }: Pick<ModelProto, "graph">): Units {
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const nodes = paddingInside(graph.node, initializers);
  const outputs = new Set(graph.output.map(({ name }) => name));
  const activations = new Map<string, NodeProto>();
  for (const node of nodes) {
    const [read = ""] = node.input;
    const readOnce = nodes.flatMap(({ input }) => input).filter((name) => name === read).length === 1;
    if (cutsAtZero(node, initializers) && readOnce && !outputs.has(read)) activations.set(read, node);
  }
  const joined = new Set<NodeProto>();
  const all = nodes.flatMap((node): Unit[] => {
    if (joined.has(node)) return [];
    const { op_type, input } = node;
    const [own = ""] = node.output;
    const weight = WITH_WEIGHTS.has(op_type) ? initializers.get(input[1] ?? "") : undefined;
    const able = weight !== undefined || WITHOUT_WEIGHTS.has(op_type);
    const activation = able && BEFORE_ACTIVATION.has(op_type) ? activations.get(own) : undefined;
    if (activation) joined.add(activation);
    return [
      {
        node,
        activation,
        inputs: input.filter((name) => name !== "" && !initializers.has(name)),
        output: activation?.output[0] ?? own,
        layer: weight?.name.replace(/\.weight$/, ""),
        able,
        passesOn: PASSING_ON.has(op_type),
      },
    ];
  });
  return { all, initializers, layers: all.flatMap(({ layer }) => layer ?? []) };
}

/** The units that are computed in integers: layers with weights, but for those left in float, and what else reads their integers. */
export function integerUnits({ all }: Units, inFloat: ReadonlySet<string>): Set<Unit> {
  const integer = new Set<Unit>();
  const made = new Set<string>();
  for (const unit of all) {
    const { able, layer, inputs, output } = unit;
    if (!able || !(layer === undefined ? inputs.some((name) => made.has(name)) : !inFloat.has(layer))) continue;
    integer.add(unit);
    made.add(output);
  }
  return integer;
}

/** The tensors of which a range may be wanted. */
export function tensorsOf({ all }: Units): string[] {
  return [...new Set(all.flatMap(({ inputs, output, able }) => (able ? [...inputs, output] : [])))];
}

/** Whether it is a ReLU, or a ReLU with a bound above. */
function cutsAtZero({ op_type, input }: NodeProto, initializers: ReadonlyMap<string, TensorProto>): boolean {
  if (op_type === "Relu") return true;
  const low = initializers.get(input[1] ?? "");
  return op_type === "Clip" && low !== undefined && new Float32Array(low.raw_data.slice().buffer)[0] === 0;
}
