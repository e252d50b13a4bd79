import { KnackError } from "../../base/errors.js";
import { noGradient } from "../../tensor/autograd.js";
import { type Argument, type OperatorCall, observingCalls } from "../../tensor/operator.js";
import { full } from "../../tensor/ops.js";
import { scope } from "../../tensor/scope.js";
import { Tensor } from "../../tensor/tensor.js";
import type { Module } from "../module.js";

/** A tensor of a graph, told apart from others by being another object. It is computed once and never changes. */
export interface Value {
  /** Unique in its graph: "input", a parameter's state dict name, or "conv2d_3". */
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a node gives its operator: values in place of tensors. */
export type NodeArgument = Value | number | boolean | string | null | undefined | readonly (Value | number | boolean)[];

/** One operator applied. */
export interface GraphNode {
  /** The ATen operator, "aten::add.Tensor". Never one in place: "aten::add_.Tensor" has become the same without "_". */
  readonly operator: string;
  /** In the order of the operator's schema; what is missing or undefined takes the schema's default. */
  readonly arguments: readonly NodeArgument[];
  readonly output: Value;
}

/** What a module computes for one input shape, as a list of operators in an order in which they can run. */
export interface Graph {
  readonly input: Value;
  readonly nodes: readonly GraphNode[];
  /** The parameters and buffers that are used. Their tensors belong to the module, or to the scope in which a graph was rewritten. */
  readonly parameters: ReadonlyMap<Value, Tensor>;
  /** The logits, and in training those of an auxiliary classifier where the model has one. */
  readonly outputs: readonly [Value, ...Value[]];
}

export function isValue(argument: NodeArgument): argument is Value {
  return typeof argument === "object" && argument !== null && !Array.isArray(argument);
}

/** The values a node reads, those in lists too. */
export function valuesRead(node: GraphNode): Value[] {
  return node.arguments.flat().filter(isValue);
}

/** Operators whose result may share its argument's memory. */
const VIEWS = new Set(
  ["contiguous", "detach", "flatten", "narrow", "permute", "reshape", "to", "unsqueeze"].map((name) => `aten::${name}`),
);

/**
 * Runs a module once, in the mode it is in, on zeros [N, C, H, W] and notes every operator. In training mode batch norms fold the zeros
 * into their running statistics: whoever traces that restores them.
 *
 * @param forward what is run: all the module's outputs, the logits first
 * @throws KnackError, naming the operator, where the module uses a tensor that is neither its input nor in its state dict,
 *   changes its state, gives an operator with several results, or changes memory that another tensor still looks into: the
 *   graph could not say that.
 */
export function traceGraph(
  model: Module,
  inputShape: readonly [number, number, number, number],
  forward: (images: Tensor) => readonly [Tensor, ...Tensor[]] = (images) => [model.forward(images)],
): Graph {
  const state = new Map(Array.from(model.state(), ([name, tensor]) => [tensor as Tensor, name]));
  const [weight] = state.keys();
  const { device, dtype } = weight ?? { device: "cpu", dtype: "float32" };
  return scope(() => {
    const values = new Map<Tensor, Value>();
    const parameters = new Map<Value, Tensor>();
    const nodes: GraphNode[] = [];
    const views = new Map<Tensor, Set<Tensor>>();

    const valueFor = (tensor: Tensor, operator: string): Value => {
      const known = values.get(tensor);
      if (known !== undefined) return known;
      const name = state.get(tensor);
      if (name === undefined) {
        throw new KnackError(
          `${operator} uses a tensor of shape [${tensor.shape.join(", ")}] that is not computed from the model's input`,
        );
      }
      const value = { name, shape: tensor.shape };
      values.set(tensor, value);
      parameters.set(value, tensor);
      return value;
    };
    const convert = (argument: Argument, operator: string): NodeArgument => {
      if (argument instanceof Tensor) return valueFor(argument, operator);
      if (Array.isArray(argument)) {
        return argument.map((element) => (element instanceof Tensor ? valueFor(element, operator) : element));
      }
      return argument as NodeArgument;
    };
    const note = ({ operator, arguments: given, result }: OperatorCall) => {
      if (!(result instanceof Tensor)) throw new KnackError(`${operator} gives something else than one tensor`);
      const [target] = given;
      if (result === target) {
        if (state.has(result)) throw new KnackError(`${operator} changes the model's ${state.get(result)}`);
        const shared = [...(views.get(result) ?? [])].some((other) => other !== result && !other.disposed);
        if (shared) throw new KnackError(`${operator} changes a tensor that another one still looks into`);
      }
      const pure = operator.replace(/_(?=\.|$)/, "");
      const [name = pure] = pure.split(".");
      if (VIEWS.has(name) && target instanceof Tensor) {
        const family = views.get(target) ?? new Set([target]);
        family.add(result);
        views.set(target, family).set(result, family);
      }
      const output = { name: `${name.replace("aten::", "")}_${nodes.length}`, shape: result.shape };
      nodes.push({ operator: pure, arguments: given.map((argument) => convert(argument, operator)), output });
      values.set(result, output);
    };

    const images = full(inputShape, 0, dtype, device);
    const input = { name: "input", shape: inputShape };
    values.set(images, input);
    const [logits, ...others] = noGradient(() => observingCalls(note, () => forward(images)));
    const outputOf = (tensor: Tensor) => valueFor(tensor, "the model's output");
    return { input, nodes, parameters, outputs: [outputOf(logits), ...others.map(outputOf)] };
  });
}
