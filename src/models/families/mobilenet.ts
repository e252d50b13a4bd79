import { z } from "../../settings/zod.js";
import { BatchNorm2d } from "../../nn/layers/batch-norm2d.js";
import { Conv2d } from "../../nn/layers/conv2d.js";
import { Linear } from "../../nn/layers/linear.js";
import { chain, Module } from "../../nn/module.js";
import { GlobalAvgPool2d } from "../../nn/layers/pooling.js";
import { Sequential } from "../../nn/layers/sequential.js";
import { clamp, reluInPlace } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { IMAGENET_PHOTOS, type ModelEntry, PLUS_MINUS_ONE } from "../entry.js";
import { option, parseModelOptions } from "../model-options.js";

export interface MobileNetOptions {
  /** The width multiplier alpha: every layer has this fraction of the paper's channels, a multiple of 8. */
  readonly multiplier: number;
  readonly classes: number;
  readonly inChannels: number;
  /** "": as many zeros on each side; "same": TensorFlow's SAME, where an odd one lies at the bottom and the right. */
  readonly pad_type: "" | "same";
  /** The paper does not say; timm and TensorFlow have ReLU6. */
  readonly act_layer: "relu" | "relu6";
  /** The epsilon of every BN. */
  readonly bn_eps: number;
}

/** Channels out (of width 1) and blocks of each stage; the first block of all stages but the first has stride 2. */
const STAGES = [
  { channels: 64, blocks: 1 },
  { channels: 128, blocks: 2 },
  { channels: 256, blocks: 2 },
  { channels: 512, blocks: 6 },
  { channels: 1024, blocks: 2 },
] as const;

const ACTIVATIONS = {
  relu: reluInPlace,
  // Not hardtanh, PyTorch's way: its gradient has no bfloat16 form on the CPU.
  relu6: (input: Tensor) => clamp(input, 0, 6),
};

/** A depthwise 3x3 convolution and a 1x1 convolution (Howard et al. 2017, figure 3). */
class DepthwiseSeparable extends Module {
  readonly conv_dw: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv_pw: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly #activation: (input: Tensor) => Tensor;

  constructor(inChannels: number, outChannels: number, stride: number, options: MobileNetOptions) {
    super();
    this.conv_dw = new Conv2d(inChannels, inChannels, 3, { stride, padding: padding(options), groups: inChannels });
    this.bn1 = new BatchNorm2d(inChannels, options.bn_eps);
    this.conv_pw = new Conv2d(inChannels, outChannels, 1);
    this.bn2 = new BatchNorm2d(outChannels, options.bn_eps);
    this.#activation = ACTIVATIONS[options.act_layer];
  }

  override forward(input: Tensor): Tensor {
    return chain(input, this.conv_dw, this.bn1, this.#activation, this.conv_pw, this.bn2, this.#activation);
  }
}

/** MobileNet v1 (Howard et al. 2017, table 1), with timm's names. Images [N, C, H, W] in, logits [N, classes] out. */
export class MobileNet extends Module {
  readonly conv_stem: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly blocks: Sequential;
  readonly global_pool = new GlobalAvgPool2d();
  readonly classifier: Linear;

  constructor(readonly options: MobileNetOptions) {
    super();
    let channels = 32 * options.multiplier;
    this.conv_stem = new Conv2d(options.inChannels, channels, 3, { stride: 2, padding: padding(options) });
    this.bn1 = new BatchNorm2d(channels, options.bn_eps);
    const stages = STAGES.map((stage, index) => {
      const blocks = Array.from({ length: stage.blocks }, (_, block) => {
        const inChannels = channels;
        channels = stage.channels * options.multiplier;
        return new DepthwiseSeparable(inChannels, channels, index > 0 && block === 0 ? 2 : 1, options);
      });
      return new Sequential(...blocks);
    });
    this.blocks = new Sequential(...stages);
    this.classifier = new Linear(channels, options.classes);
  }

  override forward(images: Tensor): Tensor {
    const { conv_stem, bn1, blocks, global_pool, classifier } = this;
    return chain(images, conv_stem, bn1, ACTIVATIONS[this.options.act_layer], blocks, global_pool, classifier);
  }
}

function padding({ pad_type }: MobileNetOptions): 1 | "same" {
  return pad_type === "same" ? "same" : 1;
}

const OPTIONS = z.strictObject({
  pad_type: option<"" | "same">('"" or "same"', (value) => value === "" || value === "same").default(""),
  act_layer: option<"relu" | "relu6">('"relu" or "relu6"', (value) => value === "relu" || value === "relu6").default(
    "relu6",
  ),
  bn_eps: option<number>("a number above 0", (value) => Number.isFinite(value) && Number(value) > 0).default(1e-5),
});

/** mobilenetv1_025, mobilenetv1_050, mobilenetv1_075, mobilenetv1_100, by their width multiplier in percent */
export const MOBILENETS: readonly ModelEntry[] = ["025", "050", "075", "100"].map((percent) => {
  const name = `mobilenetv1_${percent}`;
  return {
    name,
    inputSize: 224,
    smallestInput: 1,
    photos: { ...IMAGENET_PHOTOS, ...PLUS_MINUS_ONE },
    classifiers: ["classifier"],
    options: OPTIONS,
    residual: false,
    earlierDefaults: { act_layer: "relu" },
    build: (task, options) => {
      const parsed = parseModelOptions(name, OPTIONS, options);
      return new MobileNet({ multiplier: Number(percent) / 100, ...task, ...parsed });
    },
  };
});
