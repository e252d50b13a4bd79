import { z } from "../../settings/zod.js";
import { BatchNorm2d } from "../../nn/layers/batch-norm2d.js";
import { Conv2d } from "../../nn/layers/conv2d.js";
import { Identity } from "../../nn/layers/identity.js";
import { Linear } from "../../nn/layers/linear.js";
import { chain, Module } from "../../nn/module.js";
import type { ResidualBlock } from "../../nn/residual-block.js";
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from "../../nn/layers/pooling.js";
import { ReLU } from "../../nn/layers/relu.js";
import { Sequential } from "../../nn/layers/sequential.js";
import { addInPlace, reluInPlace } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { IMAGENET_PHOTOS, type ModelEntry, type TweakedNetwork, type TweakForm } from "../entry.js";
import { parseModelOptions, widthOption } from "../model-options.js";

export const RESNET_DEPTHS = [18, 34, 50, 101, 152] as const;
export type ResNetDepth = (typeof RESNET_DEPTHS)[number];

/**
 * The model tweaks of section 4, each including the ones before it.
 * - "v1": the paper's baseline, stride 2 in the first 1x1 convolution of path A (section 4.1).
 * - "b": stride 2 in the 3x3 convolution of path A instead (figure 2a).
 * - "c": the 7x7 stem becomes three 3x3 convolutions (figure 2b).
 * - "d": the shortcut's stride-2 1x1 becomes a 2x2 average pool and a stride-1 1x1 (figure 2c).
 *
 * ResNet-18 and 34 have no 1x1 in path A, so their "v1" and "b" are the same network.
 */
export type ResNetVariant = TweakForm;

export interface ResNetOptions {
  readonly depth: ResNetDepth;
  readonly variant: ResNetVariant;
  /** The form for images of 28 to 64 pixels: a stride-1 3x3 stem and no max pool. */
  readonly small: boolean;
  readonly classes: number;
  readonly inChannels: number;
  /** Channels of the first stage; 64 in the paper. The stages have 1, 2, 4 and 8 times as many, bottlenecks 4 times that. */
  readonly width: number;
}

const BLOCKS: Readonly<Record<ResNetDepth, readonly [number, number, number, number]>> = {
  18: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 6, 3],
  101: [3, 4, 23, 3],
  152: [3, 8, 36, 3],
};

/** A block whose output is relu(shortcut(x) + path(x)). */
abstract class ShortcutBlock extends Module implements ResidualBlock {
  abstract readonly lastNorm: BatchNorm2d;
  /** The shortcut where the shape changes. */
  abstract readonly downsample: Module | undefined;

  /** relu(shortcut(input) + path); `path` is overwritten. */
  protected join(path: Tensor, input: Tensor): Tensor {
    const shortcut = this.downsample ? this.downsample.forward(input) : input;
    addInPlace(path, shortcut);
    if (shortcut !== input) shortcut.dispose();
    return reluInPlace(path);
  }
}

/** Two 3x3 convolutions: ResNet-18 and 34, and the CIFAR form. */
export class BasicBlock extends ShortcutBlock {
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Module | undefined;

  constructor(inChannels: number, width: number, stride: number, downsample: Module | undefined) {
    super();
    this.conv1 = new Conv2d(inChannels, width, 3, { stride, padding: 1 });
    this.bn1 = new BatchNorm2d(width);
    this.conv2 = new Conv2d(width, width, 3, { padding: 1 });
    this.bn2 = new BatchNorm2d(width);
    this.downsample = downsample;
  }

  get lastNorm(): BatchNorm2d {
    return this.bn2;
  }

  override forward(input: Tensor): Tensor {
    return this.join(chain(input, this.conv1, this.bn1, reluInPlace, this.conv2, this.bn2), input);
  }
}

/** 1x1, 3x3, 1x1 with four times the channels out: ResNet-50, 101 and 152. */
class Bottleneck extends ShortcutBlock {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly downsample: Module | undefined;

  constructor(
    inChannels: number,
    width: number,
    stride: number,
    downsample: Module | undefined,
    variant: ResNetVariant,
  ) {
    super();
    const outChannels = width * Bottleneck.expansion;
    this.conv1 = new Conv2d(inChannels, width, 1, { stride: variant === "v1" ? stride : 1 });
    this.bn1 = new BatchNorm2d(width);
    this.conv2 = new Conv2d(width, width, 3, { stride: variant === "v1" ? 1 : stride, padding: 1 });
    this.bn2 = new BatchNorm2d(width);
    this.conv3 = new Conv2d(width, outChannels, 1);
    this.bn3 = new BatchNorm2d(outChannels);
    this.downsample = downsample;
  }

  get lastNorm(): BatchNorm2d {
    return this.bn3;
  }

  override forward(input: Tensor): Tensor {
    const { conv1, bn1, conv2, bn2, conv3, bn3 } = this;
    return this.join(chain(input, conv1, bn1, reluInPlace, conv2, bn2, reluInPlace, conv3, bn3), input);
  }
}

interface BlockClass {
  /** Channels out, as a multiple of the width. */
  readonly expansion: number;
  new (
    inChannels: number,
    width: number,
    stride: number,
    downsample: Module | undefined,
    variant: ResNetVariant,
  ): ShortcutBlock;
}

/** The shortcut where the shape changes; numbered as torchvision (conv 0, BN 1) and timm's D (pool 0, conv 1, BN 2) do. */
function projection(
  inChannels: number,
  outChannels: number,
  stride: number,
  variant: ResNetVariant,
): Sequential | undefined {
  if (stride === 1 && inChannels === outChannels) return undefined;
  const norm = new BatchNorm2d(outChannels);
  if (variant !== "d") return new Sequential(new Conv2d(inChannels, outChannels, 1, { stride }), norm);
  const pool = stride === 1 ? new Identity() : new AvgPool2d(2, stride);
  return new Sequential(pool, new Conv2d(inChannels, outChannels, 1), norm);
}

/** Three 3x3 convolutions (figure 2b), numbered as timm's: the BN and ReLU after the last are the network's own. */
function deepStem(inChannels: number, width: number, stride: number): Sequential {
  const half = width / 2;
  return new Sequential(
    new Conv2d(inChannels, half, 3, { stride, padding: 1 }),
    new BatchNorm2d(half),
    new ReLU(),
    new Conv2d(half, half, 3, { padding: 1 }),
    new BatchNorm2d(half),
    new ReLU(),
    new Conv2d(half, width, 3, { padding: 1 }),
  );
}

/** The ResNet family of the paper, with torchvision's names (v1, B) and timm's (C, D). Images in, logits [N, classes] out. */
export class ResNet extends Module {
  readonly conv1: Conv2d | Sequential;
  readonly bn1: BatchNorm2d;
  readonly maxpool: MaxPool2d | Identity;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly avgpool = new GlobalAvgPool2d();
  readonly fc: Linear;

  constructor(readonly options: ResNetOptions) {
    super();
    const { depth, variant, small, classes, inChannels, width } = options;
    const stride = small ? 1 : 2;
    if (variant === "c" || variant === "d") this.conv1 = deepStem(inChannels, width, stride);
    else if (small) this.conv1 = new Conv2d(inChannels, width, 3, { padding: 1 });
    else this.conv1 = new Conv2d(inChannels, width, 7, { stride, padding: 3 });
    this.bn1 = new BatchNorm2d(width);
    this.maxpool = small ? new Identity() : new MaxPool2d(3, 2, 1);

    const Block: BlockClass = depth >= 50 ? Bottleneck : BasicBlock;
    const [blocks1, blocks2, blocks3, blocks4] = BLOCKS[depth];
    let channels = width;
    const stage = (count: number, stageWidth: number, firstStride: number): Sequential => {
      const blocks: ShortcutBlock[] = [];
      for (let i = 0; i < count; i++) {
        const stride = i === 0 ? firstStride : 1;
        const shortcut = projection(channels, stageWidth * Block.expansion, stride, variant);
        blocks.push(new Block(channels, stageWidth, stride, shortcut, variant));
        channels = stageWidth * Block.expansion;
      }
      return new Sequential(...blocks);
    };
    this.layer1 = stage(blocks1, width, 1);
    this.layer2 = stage(blocks2, width * 2, 2);
    this.layer3 = stage(blocks3, width * 4, 2);
    this.layer4 = stage(blocks4, width * 8, 2);
    this.fc = new Linear(channels, classes);
  }

  override forward(images: Tensor): Tensor {
    const { conv1, bn1, maxpool, layer1, layer2, layer3, layer4, avgpool, fc } = this;
    return chain(images, conv1, bn1, reluInPlace, maxpool, layer1, layer2, layer3, layer4, avgpool, fc);
  }
}

const OPTIONS = z.strictObject({ width: widthOption(64) });

const VARIANT_SUFFIX: Readonly<Record<ResNetVariant, string>> = { v1: "_v1", b: "", c: "c", d: "d" };
const VARIANTS = Object.keys(VARIANT_SUFFIX) as ResNetVariant[];

function nameOf(depth: ResNetDepth, variant: ResNetVariant, small: boolean): string {
  return `resnet${depth}${VARIANT_SUFFIX[variant]}${small ? "_small" : ""}`;
}

/** The stem and shortcut forms (section 4). */
function tweaks(depth: ResNetDepth, variant: ResNetVariant, small: boolean): TweakedNetwork {
  const stem = variant === "c" || variant === "d" ? "three 3x3 convolutions" : small ? "one 3x3" : "one 7x7";
  const shortcut = variant === "d" ? "2x2 average pool, then 1x1" : "1x1 of stride 2";
  const path = depth >= 50 ? `stride 2 in the ${variant === "v1" ? "first 1x1" : "3x3"}, ` : "";
  return {
    network: `ResNet-${depth}`,
    changed: variant === "c" || variant === "d" || (variant === "b" && depth >= 50),
    detail: `ResNet-${variant.toUpperCase()}: ${path}stem ${stem}, shortcut ${shortcut}`,
    names: {
      v1: nameOf(depth, "v1", small),
      b: nameOf(depth, "b", small),
      c: nameOf(depth, "c", small),
      d: nameOf(depth, "d", small),
    },
  };
}

/** resnet50_v1, resnet50 (B, as torchvision and timm call it), resnet50c, resnet50d, resnet50d_small, … */
export const RESNETS: readonly ModelEntry[] = RESNET_DEPTHS.flatMap((depth, index) =>
  VARIANTS.flatMap((variant) =>
    [false, true].map((small): ModelEntry => {
      const name = nameOf(depth, variant, small);
      const next = RESNET_DEPTHS[index + 1];
      return {
        name,
        inputSize: small ? 32 : 224,
        smallestInput: 1,
        photos: IMAGENET_PHOTOS,
        classifiers: ["fc"],
        options: OPTIONS,
        residual: true,
        ...(small ? {} : { small: nameOf(depth, variant, true) }),
        ...(next === undefined ? {} : { deeper: nameOf(next, variant, small) }),
        tweaks: tweaks(depth, variant, small),
        build: (task, options) => {
          const { width } = parseModelOptions(name, OPTIONS, options);
          return new ResNet({ depth, variant, small, ...task, width });
        },
      };
    }),
  ),
);
