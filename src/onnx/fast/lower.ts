import { type LeaveOperation, UnsupportedLayer } from "../../engine/lowering/network.js";
import type { NetworkDescription } from "../../native/cpu/addon.js";
import { activation, addition } from "./addition.js";
import { concatenation, padding } from "./concatenation.js";
import { convolution } from "./convolution.js";
import { addInput, expansion, type ImageMemory, rounding } from "./ends.js";
import { IntegerNetwork } from "./integer-network.js";
import { linear, reshaping } from "./linear.js";
import type { OnnxGraph } from "./onnx-graph.js";
import { averagePool, globalAveragePool, maxPool } from "./pooling.js";
import type { Rule } from "./rule.js";

const OWN_DOMAINS: ReadonlySet<string> = new Set(["", "ai.onnx"]);

const RULES: Readonly<Record<string, Rule>> = {
  Conv: convolution,
  Gemm: linear,
  Add: addition,
  Relu: activation,
  Clip: activation,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  Concat: concatenation,
  Pad: padding,
  Flatten: reshaping,
  Reshape: reshaping,
  Identity: reshaping,
  DequantizeLinear: expansion,
};

/**
 * An ONNX file's network in integers as operations of the fast engine: what QuantizeLinear and DequantizeLinear stand around is computed in
 * integers, the rest in float32.
 *
 * @throws UnsupportedLayer that names what the engine lacks
 */
export function lowerOnnx(
  graph: OnnxGraph,
  memory: ImageMemory,
  exactBytes: boolean,
): { readonly description: NetworkDescription; readonly result: Float32Array } {
  const network = new IntegerNetwork(graph, exactBytes);
  const rules = new Map(Object.entries({ ...RULES, QuantizeLinear: rounding(memory) }));
  addInput(network, memory);
  for (const node of graph.nodes) {
    if (network.isAbsorbed(node)) continue;
    const rule = rules.get(node.op_type);
    if (!rule || !OWN_DOMAINS.has(node.domain ?? "")) throw new UnsupportedLayer(`the operator ${node.op_type}`);
    rule(node, network);
  }
  const { number: input, classes } = network.logits();
  const result = new Float32Array(new SharedArrayBuffer(4 * memory.shape[0] * classes));
  network.add<LeaveOperation>({ kind: "leave", input, place: result, gradient: undefined });
  return { description: network.description(), result };
}
