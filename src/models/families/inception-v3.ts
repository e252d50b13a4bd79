import { z } from "../../settings/zod.js";
import { BatchNorm2d } from "../../nn/layers/batch-norm2d.js";
import { Conv2d, type Conv2dOptions } from "../../nn/layers/conv2d.js";
import { Dropout } from "../../nn/layers/dropout.js";
import { Linear } from "../../nn/layers/linear.js";
import { chain, Module } from "../../nn/module.js";
import { GlobalAvgPool2d, MaxPool2d } from "../../nn/layers/pooling.js";
import { avgPool2d, concatenate, maxPool2d, reluInPlace } from "../../tensor/ops.js";
import type { Tensor } from "../../tensor/tensor.js";
import { AuxiliaryNetwork } from "../auxiliary-network.js";
import { type ModelEntry, PLUS_MINUS_ONE } from "../entry.js";
import { option, parseModelOptions } from "../model-options.js";

export interface InceptionV3Options {
  readonly classes: number;
  readonly inChannels: number;
  /** Whether there is an auxiliary classifier, for training. */
  readonly auxiliary: boolean;
}

/** Convolution, BN, ReLU. */
class ConvNormRelu extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(
    inChannels: number,
    outChannels: number,
    kernel: number | readonly [height: number, width: number],
    options: Conv2dOptions = {},
  ) {
    super();
    this.conv = new Conv2d(inChannels, outChannels, kernel, options);
    this.bn = new BatchNorm2d(outChannels, 1e-3);
  }

  override forward(input: Tensor): Tensor {
    return chain(input, this.conv, this.bn, reluInPlace);
  }
}

/** A 1 x `length` convolution that keeps the size. */
const row = (inChannels: number, outChannels: number, length: number) =>
  new ConvNormRelu(inChannels, outChannels, [1, length], { padding: [0, (length - 1) / 2] });

/** A `length` x 1 convolution that keeps the size. */
const column = (inChannels: number, outChannels: number, length: number) =>
  new ConvNormRelu(inChannels, outChannels, [length, 1], { padding: [(length - 1) / 2, 0] });

/** A 3x3 average at every pixel; the zeros around the image count. */
const average = (input: Tensor) => avgPool2d(input, 3, 1, { padding: 1 });

/** The 3x3 maximum at every second pixel. */
const halve = (input: Tensor) => maxPool2d(input, 3, 2, 0);

/** The branches' channels one after another; the branches are freed. */
function join(...branches: Tensor[]): Tensor {
  const joined = concatenate(branches, 1);
  for (const branch of branches) branch.dispose();
  return joined;
}

/** 5x5 beside 3x3 (Szegedy et al. 2015, figure 5). */
class InceptionA extends Module {
  readonly branch1x1: ConvNormRelu;
  readonly branch5x5_1: ConvNormRelu;
  readonly branch5x5_2: ConvNormRelu;
  readonly branch3x3dbl_1: ConvNormRelu;
  readonly branch3x3dbl_2: ConvNormRelu;
  readonly branch3x3dbl_3: ConvNormRelu;
  readonly branch_pool: ConvNormRelu;

  constructor(inChannels: number, poolChannels: number) {
    super();
    this.branch1x1 = new ConvNormRelu(inChannels, 64, 1);
    this.branch5x5_1 = new ConvNormRelu(inChannels, 48, 1);
    this.branch5x5_2 = new ConvNormRelu(48, 64, 5, { padding: 2 });
    this.branch3x3dbl_1 = new ConvNormRelu(inChannels, 64, 1);
    this.branch3x3dbl_2 = new ConvNormRelu(64, 96, 3, { padding: 1 });
    this.branch3x3dbl_3 = new ConvNormRelu(96, 96, 3, { padding: 1 });
    this.branch_pool = new ConvNormRelu(inChannels, poolChannels, 1);
  }

  override forward(input: Tensor): Tensor {
    return join(
      this.branch1x1.forward(input),
      chain(input, this.branch5x5_1, this.branch5x5_2),
      chain(input, this.branch3x3dbl_1, this.branch3x3dbl_2, this.branch3x3dbl_3),
      chain(input, average, this.branch_pool),
    );
  }
}

/** Half the size, 35 to 17 pixels (figure 10). */
class InceptionB extends Module {
  readonly branch3x3: ConvNormRelu;
  readonly branch3x3dbl_1: ConvNormRelu;
  readonly branch3x3dbl_2: ConvNormRelu;
  readonly branch3x3dbl_3: ConvNormRelu;

  constructor(inChannels: number) {
    super();
    this.branch3x3 = new ConvNormRelu(inChannels, 384, 3, { stride: 2 });
    this.branch3x3dbl_1 = new ConvNormRelu(inChannels, 64, 1);
    this.branch3x3dbl_2 = new ConvNormRelu(64, 96, 3, { padding: 1 });
    this.branch3x3dbl_3 = new ConvNormRelu(96, 96, 3, { stride: 2 });
  }

  override forward(input: Tensor): Tensor {
    return join(
      this.branch3x3.forward(input),
      chain(input, this.branch3x3dbl_1, this.branch3x3dbl_2, this.branch3x3dbl_3),
      halve(input),
    );
  }
}

/** 7x7 as 1x7 and 7x1 (figure 6). */
class InceptionC extends Module {
  readonly branch1x1: ConvNormRelu;
  readonly branch7x7_1: ConvNormRelu;
  readonly branch7x7_2: ConvNormRelu;
  readonly branch7x7_3: ConvNormRelu;
  readonly branch7x7dbl_1: ConvNormRelu;
  readonly branch7x7dbl_2: ConvNormRelu;
  readonly branch7x7dbl_3: ConvNormRelu;
  readonly branch7x7dbl_4: ConvNormRelu;
  readonly branch7x7dbl_5: ConvNormRelu;
  readonly branch_pool: ConvNormRelu;

  constructor(inChannels: number, channels: number) {
    super();
    this.branch1x1 = new ConvNormRelu(inChannels, 192, 1);
    this.branch7x7_1 = new ConvNormRelu(inChannels, channels, 1);
    this.branch7x7_2 = row(channels, channels, 7);
    this.branch7x7_3 = column(channels, 192, 7);
    this.branch7x7dbl_1 = new ConvNormRelu(inChannels, channels, 1);
    this.branch7x7dbl_2 = column(channels, channels, 7);
    this.branch7x7dbl_3 = row(channels, channels, 7);
    this.branch7x7dbl_4 = column(channels, channels, 7);
    this.branch7x7dbl_5 = row(channels, 192, 7);
    this.branch_pool = new ConvNormRelu(inChannels, 192, 1);
  }

  override forward(input: Tensor): Tensor {
    const { branch7x7dbl_1, branch7x7dbl_2, branch7x7dbl_3, branch7x7dbl_4, branch7x7dbl_5 } = this;
    return join(
      this.branch1x1.forward(input),
      chain(input, this.branch7x7_1, this.branch7x7_2, this.branch7x7_3),
      chain(input, branch7x7dbl_1, branch7x7dbl_2, branch7x7dbl_3, branch7x7dbl_4, branch7x7dbl_5),
      chain(input, average, this.branch_pool),
    );
  }
}

/** Half the size, 17 to 8 pixels. */
class InceptionD extends Module {
  readonly branch3x3_1: ConvNormRelu;
  readonly branch3x3_2: ConvNormRelu;
  readonly branch7x7x3_1: ConvNormRelu;
  readonly branch7x7x3_2: ConvNormRelu;
  readonly branch7x7x3_3: ConvNormRelu;
  readonly branch7x7x3_4: ConvNormRelu;

  constructor(inChannels: number) {
    super();
    this.branch3x3_1 = new ConvNormRelu(inChannels, 192, 1);
    this.branch3x3_2 = new ConvNormRelu(192, 320, 3, { stride: 2 });
    this.branch7x7x3_1 = new ConvNormRelu(inChannels, 192, 1);
    this.branch7x7x3_2 = row(192, 192, 7);
    this.branch7x7x3_3 = column(192, 192, 7);
    this.branch7x7x3_4 = new ConvNormRelu(192, 192, 3, { stride: 2 });
  }

  override forward(input: Tensor): Tensor {
    return join(
      chain(input, this.branch3x3_1, this.branch3x3_2),
      chain(input, this.branch7x7x3_1, this.branch7x7x3_2, this.branch7x7x3_3, this.branch7x7x3_4),
      halve(input),
    );
  }
}

/** 1x3 and 3x1 side by side (figure 7). */
class InceptionE extends Module {
  readonly branch1x1: ConvNormRelu;
  readonly branch3x3_1: ConvNormRelu;
  readonly branch3x3_2a: ConvNormRelu;
  readonly branch3x3_2b: ConvNormRelu;
  readonly branch3x3dbl_1: ConvNormRelu;
  readonly branch3x3dbl_2: ConvNormRelu;
  readonly branch3x3dbl_3a: ConvNormRelu;
  readonly branch3x3dbl_3b: ConvNormRelu;
  readonly branch_pool: ConvNormRelu;

  constructor(inChannels: number) {
    super();
    this.branch1x1 = new ConvNormRelu(inChannels, 320, 1);
    this.branch3x3_1 = new ConvNormRelu(inChannels, 384, 1);
    this.branch3x3_2a = row(384, 384, 3);
    this.branch3x3_2b = column(384, 384, 3);
    this.branch3x3dbl_1 = new ConvNormRelu(inChannels, 448, 1);
    this.branch3x3dbl_2 = new ConvNormRelu(448, 384, 3, { padding: 1 });
    this.branch3x3dbl_3a = row(384, 384, 3);
    this.branch3x3dbl_3b = column(384, 384, 3);
    this.branch_pool = new ConvNormRelu(inChannels, 192, 1);
  }

  override forward(input: Tensor): Tensor {
    const fork = (a: Module, b: Module) => (x: Tensor) => join(a.forward(x), b.forward(x));
    return join(
      this.branch1x1.forward(input),
      chain(input, this.branch3x3_1, fork(this.branch3x3_2a, this.branch3x3_2b)),
      chain(input, this.branch3x3dbl_1, this.branch3x3dbl_2, fork(this.branch3x3dbl_3a, this.branch3x3dbl_3b)),
      chain(input, average, this.branch_pool),
    );
  }
}

/** The classifier half-way (figure 8). It needs the 17 pixels that an image of 299 has become there. */
class AuxiliaryClassifier extends Module {
  readonly conv0: ConvNormRelu;
  readonly conv1: ConvNormRelu;
  readonly pool = new GlobalAvgPool2d();
  readonly fc: Linear;

  constructor(inChannels: number, classes: number) {
    super();
    this.conv0 = new ConvNormRelu(inChannels, 128, 1);
    this.conv1 = new ConvNormRelu(128, 768, 5);
    this.fc = new Linear(768, classes);
  }

  override forward(input: Tensor): Tensor {
    return chain(input, (x) => avgPool2d(x, 5, 3), this.conv0, this.conv1, this.pool, this.fc);
  }
}

/** Inception-V3 (Szegedy et al. 2015), with torchvision's names. Images [N, C, H, W] in, logits [N, classes] out. */
export class InceptionV3 extends AuxiliaryNetwork {
  readonly Conv2d_1a_3x3: ConvNormRelu;
  readonly Conv2d_2a_3x3 = new ConvNormRelu(32, 32, 3);
  readonly Conv2d_2b_3x3 = new ConvNormRelu(32, 64, 3, { padding: 1 });
  readonly maxpool1 = new MaxPool2d(3, 2);
  readonly Conv2d_3b_1x1 = new ConvNormRelu(64, 80, 1);
  readonly Conv2d_4a_3x3 = new ConvNormRelu(80, 192, 3);
  readonly maxpool2 = new MaxPool2d(3, 2);
  readonly Mixed_5b = new InceptionA(192, 32);
  readonly Mixed_5c = new InceptionA(256, 64);
  readonly Mixed_5d = new InceptionA(288, 64);
  readonly Mixed_6a = new InceptionB(288);
  readonly Mixed_6b = new InceptionC(768, 128);
  readonly Mixed_6c = new InceptionC(768, 160);
  readonly Mixed_6d = new InceptionC(768, 160);
  readonly Mixed_6e = new InceptionC(768, 192);
  readonly AuxLogits: AuxiliaryClassifier | undefined;
  readonly Mixed_7a = new InceptionD(768);
  readonly Mixed_7b = new InceptionE(1280);
  readonly Mixed_7c = new InceptionE(2048);
  readonly avgpool = new GlobalAvgPool2d();
  readonly dropout = new Dropout(0.5);
  readonly fc: Linear;

  constructor({ classes, inChannels, auxiliary }: InceptionV3Options) {
    super();
    this.Conv2d_1a_3x3 = new ConvNormRelu(inChannels, 32, 3, { stride: 2 });
    this.AuxLogits = auxiliary ? new AuxiliaryClassifier(768, classes) : undefined;
    this.fc = new Linear(2048, classes);
  }

  override forward(images: Tensor): Tensor {
    return chain(
      images,
      (x) => this.#firstHalf(x),
      (x) => this.#secondHalf(x),
    );
  }

  override forwardWithAuxiliary(images: Tensor): { logits: Tensor; auxiliary: Tensor | undefined } {
    using halfway = this.#firstHalf(images);
    const auxiliary = this.training ? this.AuxLogits?.forward(halfway) : undefined;
    return { logits: this.#secondHalf(halfway), auxiliary };
  }

  #firstHalf(images: Tensor): Tensor {
    return chain(
      images,
      this.Conv2d_1a_3x3,
      this.Conv2d_2a_3x3,
      this.Conv2d_2b_3x3,
      this.maxpool1,
      this.Conv2d_3b_1x1,
      this.Conv2d_4a_3x3,
      this.maxpool2,
      this.Mixed_5b,
      this.Mixed_5c,
      this.Mixed_5d,
      this.Mixed_6a,
      this.Mixed_6b,
      this.Mixed_6c,
      this.Mixed_6d,
      this.Mixed_6e,
    );
  }

  #secondHalf(halfway: Tensor): Tensor {
    return chain(halfway, this.Mixed_7a, this.Mixed_7b, this.Mixed_7c, this.avgpool, this.dropout, this.fc);
  }
}

const OPTIONS = z.strictObject({
  aux_logits: option<boolean>("true or false", (value) => typeof value === "boolean").default(false),
});

/** inception_v3 */
export const INCEPTIONS: readonly ModelEntry[] = [
  {
    name: "inception_v3",
    inputSize: 299,
    smallestInput: 75,
    smallestTrainingInput: ({ aux_logits }) => (aux_logits === true ? 299 : 75),
    // torchvision's takes ImageNet's normalisation and converts it to this. The paper's evaluation: the shorter side to 342, the centre 299.
    photos: { ...PLUS_MINUS_ONE, cropPct: 299 / 342 },
    classifiers: ["fc", "AuxLogits.fc"],
    options: OPTIONS,
    auxiliary: { path: "AuxLogits", option: "aux_logits" },
    residual: false,
    build: (task, options) => {
      const { aux_logits } = parseModelOptions("inception_v3", OPTIONS, options);
      return new InceptionV3({ ...task, auxiliary: aux_logits });
    },
  },
];
