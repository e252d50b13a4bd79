import { z } from "../../settings/zod.js";
import { BatchNorm2d } from "../../nn/layers/batch-norm2d.js";
import { Conv2d } from "../../nn/layers/conv2d.js";
import { Linear } from "../../nn/layers/linear.js";
import { chain, Module } from "../../nn/module.js";
import { GlobalAvgPool2d } from "../../nn/layers/pooling.js";
import { Sequential } from "../../nn/layers/sequential.js";
import { maxPool2d, padZeros, reluInPlace } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { IMAGENET_PHOTOS, type ModelEntry } from "../entry.js";
import { parseModelOptions, widthOption } from "../model-options.js";
import { BasicBlock } from "./resnet.js";

/** Basic blocks in each of the three stages, by depth: 6 n + 2 layers. */
const BLOCKS = { 20: 3, 32: 5, 44: 7, 56: 9 } as const;

export interface CifarResNetOptions {
  readonly depth: keyof typeof BLOCKS;
  readonly classes: number;
  readonly inChannels: number;
  /** Channels of the first stage; 16 in the paper. The stages have 1, 2 and 4 times as many. */
  readonly width: number;
}

/** Shortcut option A: every second pixel, and channels of zeros half before and half after; it has no parameters. */
class PickAndPad extends Module {
  constructor(readonly channels: number) {
    super();
  }

  override forward(input: Tensor): Tensor {
    const half = (this.channels - (input.shape[1] ?? 0)) / 2;
    // A window of one picks.
    using picked = maxPool2d(input, 1, 2, 0);
    return padZeros(picked, { before: half, after: half });
  }
}

/** The ResNets for CIFAR-10 of He et al. 2015, section 4.2. Images [N, C, H, W] in, usually of 32 pixels, logits [N, classes] out. */
export class CifarResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly avgpool = new GlobalAvgPool2d();
  readonly fc: Linear;

  constructor({ depth, classes, inChannels, width }: CifarResNetOptions) {
    super();
    this.conv1 = new Conv2d(inChannels, width, 3, { padding: 1 });
    this.bn1 = new BatchNorm2d(width);
    const stage = (from: number, to: number) => {
      const first =
        from === to ? new BasicBlock(to, to, 1, undefined) : new BasicBlock(from, to, 2, new PickAndPad(to));
      const rest = Array.from({ length: BLOCKS[depth] - 1 }, () => new BasicBlock(to, to, 1, undefined));
      return new Sequential(first, ...rest);
    };
    this.layer1 = stage(width, width);
    this.layer2 = stage(width, width * 2);
    this.layer3 = stage(width * 2, width * 4);
    this.fc = new Linear(width * 4, classes);
  }

  override forward(images: Tensor): Tensor {
    const { conv1, bn1, layer1, layer2, layer3, avgpool, fc } = this;
    return chain(images, conv1, bn1, reluInPlace, layer1, layer2, layer3, avgpool, fc);
  }
}

const OPTIONS = z.strictObject({ width: widthOption(16) });

const DEPTHS = [20, 32, 44, 56] as const;

/** resnet20, resnet32, resnet44, resnet56 */
export const CIFAR_RESNETS: readonly ModelEntry[] = DEPTHS.map((depth, index) => {
  const name = `resnet${depth}`;
  const next = DEPTHS[index + 1];
  return {
    name,
    inputSize: 32,
    smallestInput: 1,
    photos: IMAGENET_PHOTOS,
    classifiers: ["fc"],
    options: OPTIONS,
    residual: true,
    ...(next === undefined ? {} : { deeper: `resnet${next}` }),
    build: (task, options) => new CifarResNet({ depth, ...task, ...parseModelOptions(name, OPTIONS, options) }),
  };
});
