import { type GraphNode, isValue } from "../../nn/graph/graph.js";

const PRODUCTS = new Set(["aten::matmul", "aten::bmm", "aten::mm"]);

/** Multiplications of a node that is a convolution or a product of matrices, where nearly all of a network's time goes; 0 for others. */
export function multiplyAddsOf({ operator, arguments: given, output }: GraphNode): number {
  const [input, weight] = given;
  if (input === undefined || !isValue(input) || weight === undefined || !isValue(weight)) return 0;
  const results = sizeOf(output.shape);
  if (operator === "aten::conv2d" || operator === "aten::linear") return results * sizeOf(weight.shape.slice(1));
  return PRODUCTS.has(operator) ? results * (input.shape.at(-1) ?? 1) : 0;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
