import type { ConvolutionOperation } from "../../engine/lowering/convolution.js";
import type { WindowGeometry } from "../../native/cpu/addon.js";
import type { Grid } from "../quantize/integers.js";
import { asClamp, type Bounds, inSteps } from "./bounds.js";
import type { Adding, Integers } from "./integer-network.js";
import { Attributes, unsupported } from "./onnx-graph.js";
import { inStepsOf, type ProductSums, productSums } from "./products.js";
import type { Rule } from "./rule.js";
import { afterWindows, asImages, WINDOW_ATTRIBUTES, windowsOf } from "./windows.js";

/** The engine rounds scale x sum + offset, within bounds; in steps of the result. */
interface IntegerConvolution extends WindowGeometry {
  readonly kind: "int8Convolution";
  readonly input: number;
  readonly output: number;
  readonly groups: number;
  readonly weight: Int8Array;
  /** The integer that stands for the zeros around images, where there are any. */
  readonly zeroPoint: number;
  readonly scales: Float32Array;
  readonly offsets: Float32Array;
  readonly bounds: Bounds | undefined;
  readonly residual: number | undefined;
  readonly residualFactor: number | undefined;
  /** What the convolution's own result is cut off to before the residual is added. */
  readonly before: Bounds | undefined;
}

type Ending = { readonly grid: Grid; readonly bounds: Bounds | undefined };
type Layer = Pick<IntegerConvolution, "kind" | "input" | "groups" | "weight" | "zeroPoint" | keyof WindowGeometry>;
/** How the sums of products become the result. */
type Rounding = Omit<IntegerConvolution, keyof Layer | "output">;

class PlannedConvolution implements Adding {
  #residual: { readonly of: Integers; readonly ending: Ending } | undefined;

  constructor(
    readonly number: number,
    private readonly layer: Layer,
    private readonly sums: ProductSums,
    private readonly own: Ending,
  ) {}

  add(of: Integers, ending: Ending): void {
    this.#residual = { of, ending };
  }

  description(): IntegerConvolution {
    const { layer, number: output, sums, own } = this;
    const rounding = this.#residual
      ? withResidual(sums, own, this.#residual.of, this.#residual.ending)
      : alone(sums, own);
    return { ...layer, output, ...rounding };
  }
}

function alone(sums: ProductSums, { grid, bounds }: Ending): Rounding {
  const none = { residual: undefined, residualFactor: undefined, before: undefined };
  return { ...inStepsOf(sums, grid), bounds: unlessAll(inSteps(grid, bounds, grid)), ...none };
}

/** The sum is the residual's step plus the convolution's own, which alone would have been rounded within its grid. */
function withResidual(sums: ProductSums, own: Ending, residual: Integers, { grid, bounds }: Ending): Rounding {
  const residualFactor = residual.grid.scale / grid.scale;
  const shifted = { scale: grid.scale, zeroPoint: grid.zeroPoint - residualFactor * residual.grid.zeroPoint };
  return {
    ...inStepsOf(sums, shifted),
    before: inSteps(own.grid, own.bounds, shifted),
    residual: residual.number,
    residualFactor,
    bounds: unlessAll(inSteps(grid, bounds, grid)),
  };
}

/** Nothing where rounding to a byte cuts off as much. */
function unlessAll(bounds: Bounds): Bounds | undefined {
  return bounds.low < 0.5 && bounds.high > 254.5 ? undefined : bounds;
}

export const convolution: Rule = (node, network) => {
  const attributes = new Attributes(node, [...WINDOW_ATTRIBUTES, "group"]);
  const [inputName = "", weightName = ""] = node.input;
  const { dims } = network.weights(weightName) ?? network.constantNumbers(weightName);
  const windows = windowsOf(node, attributes, dims.slice(2));
  const groups = attributes.int("group", 1);
  const [outChannels = 0, perGroup = 0, ...kernel] = dims;
  if (String(kernel) !== String(windows.kernel) || outChannels % groups !== 0) {
    throw unsupported(node, "with weights of other windows or groups");
  }
  const ofChannels = (channels: number | undefined) => {
    if (channels !== perGroup * groups) throw unsupported(node, "with weights of other channels");
  };
  const ending = network.ending(node);
  const input = network.integers(inputName);
  const weights = network.weights(weightName);

  if (input && weights && ending.grid) {
    ofChannels(input.shape[1]);
    const { zeroPoint } = input.grid;
    const isPadded = windows.padding.some((zeros) => zeros > 0) && zeroPoint !== 0;
    const layer = {
      kind: "int8Convolution",
      input: input.number,
      groups,
      weight: weights.integers,
      ...windows,
    } as const;
    const sums = productSums(node, network, input, weights, isPadded);
    const shape = afterWindows(input.shape, outChannels, windows);
    const own = { grid: ending.grid, bounds: ending.bounds };
    const number = network.number(shape, "integers");
    const planned = new PlannedConvolution(number, { ...layer, zeroPoint: isPadded ? zeroPoint : 0 }, sums, own);
    network.plan(planned);
    network.nameIntegers(ending.tensor, { number, shape, grid: ending.grid, maker: planned });
    return;
  }
  const { values } = network.constantNumbers(weightName);
  const { number, shape } = network.numbers(inputName, "images");
  ofChannels(shape[1]);
  const bias = network.bias(node, outChannels);
  network.addOverNumbers(
    ending,
    afterWindows(asImages(shape), outChannels, windows),
    (output): ConvolutionOperation => ({
      kind: "convolution",
      input: number,
      output,
      ...windows,
      groups,
      algorithms: [0, 0, 0],
      weight: values,
      weightGradient: undefined,
      bias,
      clamp: asClamp(ending.bounds),
    }),
  );
};
