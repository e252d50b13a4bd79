import type { Algorithms, OperationDescription, Quad, WindowGeometry } from "../../native/cpu/addon.js";
import { isValue } from "../../nn/graph/graph.js";
import type { Clamp } from "./clamp.js";
import { type LoweringRule, pairOf, unsupported } from "./rule.js";

export interface ConvolutionOperation extends WindowGeometry {
  readonly kind: "convolution";
  readonly input: number;
  readonly output: number;
  readonly groups: number;
  readonly algorithms: Algorithms;
  readonly weight: Float32Array;
  readonly weightGradient: Float32Array | undefined;
  /** Inference only, as are residual and clamp. */
  readonly bias?: Float32Array | undefined;
  readonly residual?: number | undefined;
  readonly clamp?: Clamp | undefined;
}

export function isConvolution(operation: OperationDescription): operation is ConvolutionOperation {
  return operation.kind === "convolution";
}

const WHOLE: Quad = [0, 0, 0, 0];

export const convolution: LoweringRule = {
  operators: ["aten::conv2d"],
  takesWhatFollows: "in inference",
  lower(node, network, { output, residual, clamp }) {
    const [input, weight, bias, stride = 1, padding = 0, dilation = 1, groups = 1] = node.arguments;
    if (!isValue(input) || !isValue(weight) || pairOf(dilation).some((step) => step !== 1)) throw unsupported(node);
    // Nothing would compute the bias's gradient.
    if (isValue(bias) && network.options.training) throw unsupported(node);
    const { from, margins } = network.margins.get(input) ?? { from: input, margins: WHOLE };
    const [rows, columns] = pairOf(padding);
    const around = [rows, columns, rows, columns].map((zeros, side) => zeros + (margins[side] ?? 0)) as unknown as Quad;
    const [outChannels = 0, , height = 0, width = 0] = weight.shape;
    const geometry = { kernel: [height, width], stride: pairOf(stride), padding: around } as const;
    const tensor = network.tensor(weight);
    const [batch = 0, channels = 0, rowsIn = 0, columnsIn = 0] = network.shape(from);
    const first = network.hasOwnChannels(from);
    const images: Quad = [batch, first ? channels : network.wholeBlocks(channels), rowsIn, columnsIn];
    const shape = {
      ...geometry,
      images,
      outChannels: network.wholeBlocks(outChannels),
      // Depthwise, channels that only fill the last block have their own groups.
      groups: groups === channels ? images[1] : Number(groups),
      bfloat16: network.options.bfloat16,
      training: network.options.training,
      first,
    };
    const operation = {
      kind: "convolution",
      input: network.read(from),
      output: network.number(output),
      ...geometry,
      groups: Number(groups),
      weight: network.memory.parameter(tensor),
      weightGradient: network.gradient(tensor),
      bias: isValue(bias) ? network.memory.parameter(network.tensor(bias)) : undefined,
      residual,
      clamp,
    } as const;
    network.addConvolution(shape, (algorithms): ConvolutionOperation => ({ ...operation, algorithms }));
  },
};
