/** Small networks by seed, of the layers and forms that the fast engine computes: for comparing it with the plain one. */
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d, type Conv2dOptions } from "../../src/nn/layers/conv2d.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from "../../src/nn/layers/pooling.js";
import { Module, Parameter } from "../../src/nn/module.js";
import { BIAS, WEIGHT } from "../../src/nn/parameter-role.js";
import { tensorOperator } from "../../src/tensor/operator.js";
import {
  add,
  avgPool2d,
  clamp,
  concatenate,
  conv2d,
  full,
  mean,
  mul,
  padZeros,
  permute,
  relu,
  reshape,
} from "../../src/tensor/ops.js";
import { type Random, randomFor } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";

export interface RandomNetwork {
  readonly model: Module;
  /** Of the images. */
  readonly shape: readonly [batch: number, channels: number, height: number, width: number];
  /** What it is made of, to be read by people. */
  readonly text: string;
}

export const RANDOM_CLASSES = 5;

/** What comes out of a part of a network. */
interface Place {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** A part of a network: where its result lies, and what computes it. */
interface Part extends Place {
  readonly text: string;
  readonly compute: (x: Tensor) => Tensor;
}

class Network extends Module {
  readonly pool = new GlobalAvgPool2d();

  constructor(
    readonly layers: Record<string, Module>,
    readonly body: (x: Tensor) => Tensor,
    readonly head: Linear,
  ) {
    super();
    Object.assign(this, layers);
  }

  override forward(images: Tensor): Tensor {
    return this.head.forward(this.pool.forward(this.body(images)));
  }
}

class BiasedConvolution extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.weight = Parameter.of(full([outChannels, inChannels, 3, 3], 0), WEIGHT);
    this.bias = Parameter.of(full([outChannels], 0), BIAS);
  }

  override forward(input: Tensor): Tensor {
    return conv2d(input, this.weight, this.bias, { padding: 1 });
  }
}

const silu = tensorOperator("aten::silu") as (x: Tensor) => Tensor;
const hardswish = tensorOperator("aten::hardswish") as (x: Tensor) => Tensor;
const elu = tensorOperator("aten::elu") as (x: Tensor) => Tensor;
const gelu = tensorOperator("aten::gelu") as (x: Tensor) => Tensor;
const sigmoid = tensorOperator("aten::sigmoid") as (x: Tensor) => Tensor;

/** Each half of the channels after the other, pair by pair where they are even: sizes that depend on the batch. */
function shuffled(x: Tensor, channels: number): Tensor {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const groups = channels % 2 === 0 ? 2 : 1;
  const split = reshape(x, [batch * groups, channels / groups, height, width]);
  return reshape(permute(reshape(split, [batch, groups, channels / groups, height, width]), [0, 2, 1, 3, 4]), x.shape);
}

export function randomNetwork(seed: number): RandomNetwork {
  const maker = new Maker(randomFor(seed, "network"));
  return maker.network();
}

class Maker {
  readonly #layers: Record<string, Module> = {};

  readonly #batch: number;

  constructor(private readonly random: Random) {
    this.#batch = this.#from(2, 4);
  }

  network(): RandomNetwork {
    const images = { channels: this.#one([1, 3, 3, 4]), height: this.#from(5, 14), width: this.#from(5, 14) };
    const parts = [this.#stem(images)];
    const count = this.#from(2, 6);
    for (let i = 0; i < count; i++) parts.push(this.#step(parts.at(-1) as Part));
    const head = new Linear((parts.at(-1) as Part).channels, RANDOM_CLASSES);
    const body = (x: Tensor) => parts.reduce((value, { compute }) => compute(value), x);
    return {
      model: new Network(this.#layers, body, head),
      shape: [this.#batch, images.channels, images.height, images.width],
      text: `${this.#batch}x${images.channels}x${images.height}x${images.width}: ${parts.map(({ text }) => text).join("; ")}`,
    };
  }

  #from(least: number, most: number): number {
    return least + this.random.integer(most - least + 1);
  }
  #one<T>(choices: readonly T[]): T {
    return choices[this.random.integer(choices.length)] as T;
  }
  #chance(share: number): boolean {
    return this.random.uniform() < share;
  }

  #layer<L extends Module>(layer: L): L {
    this.#layers[`layer${Object.keys(this.#layers).length}`] = layer;
    return layer;
  }

  #channels(): number {
    return this.#one([16, 16, 32, 32, 48, 64, 8, 24, 12, 20, 5, 1]);
  }

  /** What reads the images: mostly one convolution, now and then something else or several. */
  #stem(images: Place): Part {
    const form = this.#from(1, 10);
    if (form === 1) return this.#norm(images);
    if (form === 2) return this.#maxPool(images);
    if (form === 3) return this.#sum(this.#same(images, 16), this.#same(images, 16));
    if (form === 4) return this.#join(this.#same(images, 16), this.#same(images, 32));
    if (form === 5) return { ...images, text: "images", compute: (x) => relu(x) };
    return this.#block(images);
  }

  #step(from: Place): Part {
    const isSmall = from.height * from.width < 8;
    switch (this.#from(1, isSmall ? 11 : 14)) {
      case 1:
        return this.#activation(this.#norm(from));
      case 2:
        return this.#residual(from);
      case 3:
        return this.#residual(from);
      case 4:
        return this.#twoPaths(from);
      case 5:
        return this.#joined(from);
      case 6:
        return this.#preActivated(from);
      case 7:
        return this.#wider(from);
      case 8:
        return this.#readThrice(from);
      case 9:
        return this.#block(from, 1);
      case 10:
      case 11:
        return this.#foreign(from);
      case 12:
        return this.#maxPool(from);
      case 13:
        return this.#averagePool(from);
      default:
        return this.#block(from);
    }
  }

  #convolution(from: Place, out: number, kernel: readonly [number, number], options: Conv2dOptions): Part {
    const layer = this.#layer(new Conv2d(from.channels, out, kernel, options));
    const [, channels = 0, height = 0, width = 0] = layer.outputShape([1, from.channels, from.height, from.width]);
    const { stride = 1, padding = 0, groups = 1 } = options;
    const text = `conv ${kernel.join("x")} to ${out}, stride ${stride}, padding ${padding}, groups ${groups}`;
    return { channels, height, width, text, compute: (x) => layer.forward(x) };
  }

  /** Any convolution that fits. */
  #anyConvolution(from: Place, stride = this.#one([1, 1, 2])): Part {
    const kernel = this.#one([
      [1, 1],
      [3, 3],
      [3, 3],
      [3, 3],
      [1, 7],
      [7, 1],
      [5, 5],
      [2, 2],
      [1, 3],
    ] as const);
    const padding = this.#chance(0.25) ? "same" : ([kernel[0] >> 1, kernel[1] >> 1] as const);
    if (this.#chance(0.2))
      return this.#convolution(from, from.channels, kernel, { stride, padding, groups: from.channels });
    return this.#convolution(from, this.#channels(), kernel, { stride, padding });
  }

  /** One that keeps height and width. */
  #same(from: Place, out: number): Part {
    const kernel = this.#one([
      [1, 1],
      [3, 3],
      [3, 3],
      [1, 3],
    ] as const);
    const padding = [kernel[0] >> 1, kernel[1] >> 1] as const;
    return this.#convolution(from, out, kernel, { padding });
  }

  #after(first: Part, text: string, { channels, height, width }: Place, compute: (x: Tensor) => Tensor): Part {
    return { channels, height, width, text: `${first.text}, ${text}`, compute: (x) => compute(first.compute(x)) };
  }

  #norm(from: Place): Part {
    // Of two or three values the deviation is next to nothing or the values themselves, and rounding is all that gradients are made of.
    if (this.#batch * from.height * from.width < 8) return this.#itself(from);
    const layer = this.#layer(new BatchNorm2d(from.channels));
    return { ...from, text: "batch norm", compute: (x) => layer.forward(x) };
  }

  #normalised(part: Part): Part {
    const norm = this.#norm(part);
    return this.#after(part, norm.text, norm, norm.compute);
  }

  #activation(part: Part): Part {
    const form = this.#from(1, 5);
    if (form === 1) return part;
    if (form === 2) return this.#after(part, "clamp 0 to 6", part, (x) => clamp(x, 0, 6));
    if (form === 3) return this.#after(part, "clamp -0.5 to 0.5", part, (x) => clamp(x, -0.5, 0.5));
    return this.#after(part, "ReLU", part, relu);
  }

  #block(from: Place, stride?: number): Part {
    const part = this.#anyConvolution(from, stride);
    return this.#activation(this.#chance(0.8) ? this.#normalised(part) : part);
  }

  /** Activations that are no clamps and gates; and what the fast engine lacks, between operations that it has: libtorch's part of the network. */
  #foreign(from: Place): Part {
    const before = this.#chance(0.7) ? this.#normalised(this.#same(from, this.#channels())) : this.#itself(from);
    switch (this.#from(1, 8)) {
      case 1:
        return this.#after(before, "SiLU", before, silu);
      case 2:
        return this.#after(before, "GELU, ReLU", before, (x) => relu(gelu(x)));
      case 3:
        return this.#gated(before);
      case 4: {
        const biased = this.#biased(before);
        return this.#after(before, biased.text, biased, biased.compute);
      }
      case 5:
        return this.#after(before, "hard swish", before, hardswish);
      case 6:
        return this.#after(before, "ELU", before, elu);
      case 7:
        return this.#after(before, "channels in another order", before, (x) => shuffled(x, before.channels));
      default: {
        const last = this.#convolution(before, this.#channels(), [3, 3], { padding: 1 });
        const long = this.#after(before, `SiLU, ${last.text}`, last, (x) => last.compute(silu(x)));
        return this.#sum(long, this.#biased(from, last.channels));
      }
    }
  }

  /** Squeeze and excitation. */
  #gated(part: Part): Part {
    const narrow = this.#convolution({ ...part, height: 1, width: 1 }, 4, [1, 1], {});
    const wide = this.#convolution(narrow, part.channels, [1, 1], {});
    const gate = (x: Tensor) => sigmoid(wide.compute(relu(narrow.compute(mean(x, [2, 3], true)))));
    return this.#after(part, "squeeze and excitation", part, (x) => mul(x, gate(x)));
  }

  /** A convolution that has a bias in training. */
  #biased(from: Place, out = this.#channels()): Part {
    const layer = this.#layer(new BiasedConvolution(from.channels, out));
    const text = `conv 3x3 to ${out} with bias`;
    return { ...from, channels: out, text, compute: (x) => layer.forward(x) };
  }

  /** Of two parts of one value. */
  #sum(a: Part, b: Part): Part {
    const compute = (x: Tensor) => add(a.compute(x), b.compute(x));
    return this.#activation({ ...a, text: `(${a.text}) + (${b.text})`, compute });
  }

  #join(...parts: readonly [Part, ...Part[]]): Part {
    const channels = parts.reduce((sum, part) => sum + part.channels, 0);
    const text = `[${parts.map((part) => part.text).join(" | ")}]`;
    return {
      ...parts[0],
      channels,
      text,
      compute: (x) =>
        concatenate(
          parts.map(({ compute }) => compute(x)),
          1,
        ),
    };
  }

  #itself(from: Place): Part {
    return { ...from, text: "x", compute: (x) => x };
  }

  /** x + f(x), in either order, with one convolution or two: `relu(bn(conv3x3(x)) + x)` and its like. */
  #residual(from: Place): Part {
    let path = this.#same(from, this.#chance(0.6) ? from.channels : 32);
    if (path.channels !== from.channels) {
      const inner = this.#activation(this.#normalised(path));
      const last = this.#same(inner, from.channels);
      path = this.#after(inner, last.text, last, last.compute);
    }
    const normalised = this.#chance(0.8) ? this.#normalised(path) : path;
    const shortcut = this.#itself(from);
    return this.#chance(0.5) ? this.#sum(normalised, shortcut) : this.#sum(shortcut, normalised);
  }

  /** Two paths with batch norms of their own, as where a residual block changes its size. */
  #twoPaths(from: Place): Part {
    const out = this.#channels();
    const stride = from.height * from.width < 8 ? 1 : this.#one([1, 2]);
    const long = this.#convolution(from, out, [3, 3], { stride, padding: 1 });
    const short = this.#convolution(from, out, [1, 1], { stride });
    return this.#sum(this.#normalised(long), this.#chance(0.7) ? this.#normalised(short) : short);
  }

  /** Branches of whole blocks of channels, but for the last: others are left to the plain engine, now and then. */
  #joined(from: Place): Part {
    const wide = () => (this.#chance(0.95) ? this.#one([16, 32, 48]) : this.#channels());
    const branch = () => this.#activation(this.#normalised(this.#same(from, wide())));
    const others = Array.from({ length: this.#from(0, 2) }, branch);
    const last = this.#chance(0.4) ? this.#itself(from) : this.#same(from, this.#channels());
    return from.channels % 16 === 0 && this.#chance(0.3)
      ? this.#join(this.#itself(from), ...others, last)
      : this.#join(branch(), ...others, last);
  }

  /** x + conv(relu(bn(x))): what is added is no batch norm's result. */
  #preActivated(from: Place): Part {
    const first = this.#activation(this.#norm(from));
    const last = this.#same(first, from.channels);
    return this.#sum(this.#after(first, last.text, last, last.compute), this.#itself(from));
  }

  /** Zeros beside the channels, as the CIFAR ResNets' shortcuts have them. */
  #wider(from: Place): Part {
    const [before, after] = [this.#one([0, 4, 8]), this.#one([0, 4, 8, 16])];
    const channels = from.channels + before + after;
    const text = `${before} and ${after} zeros beside the channels`;
    return { ...from, channels, text, compute: (x) => padZeros(x, { before, after }) };
  }

  #readThrice(from: Place): Part {
    const norms = [this.#norm(from), this.#norm(from)] as const;
    return this.#sum(
      this.#sum(norms[0], this.#same(from, from.channels)),
      this.#chance(0.5) ? norms[1] : this.#itself(from),
    );
  }

  #maxPool(from: Place): Part {
    const padded = [
      [3, 2, 1],
      [3, 1, 1],
    ] as const;
    const [kernel, stride, padding] = this.#one(
      Math.min(from.height, from.width) < 3 ? padded : ([[2, 2, 0], [3, 2, 0], ...padded] as const),
    );
    const layer = new MaxPool2d(kernel, stride, padding);
    const size = (pixels: number) => Math.floor((pixels + 2 * padding - kernel) / stride) + 1;
    const text = `max pool ${kernel}, stride ${stride}, padding ${padding}`;
    return {
      channels: from.channels,
      height: size(from.height),
      width: size(from.width),
      text,
      compute: (x) => layer.forward(x),
    };
  }

  #averagePool(from: Place): Part {
    if (this.#chance(0.5)) {
      const layer = new AvgPool2d(2, 2);
      const [height, width] = [Math.ceil(from.height / 2), Math.ceil(from.width / 2)];
      return { channels: from.channels, height, width, text: "average pool 2, ceil", compute: (x) => layer.forward(x) };
    }
    const options = { padding: 1, countIncludePad: this.#chance(0.5) };
    const text = `average pool 3, stride 1, padding 1${options.countIncludePad ? " counted" : ""}`;
    return { ...from, text, compute: (x) => avgPool2d(x, 3, 1, options) };
  }
}
