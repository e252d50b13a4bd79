/** Small networks by seed of what becomes integers: convolutions with what follows them, sums, pooling, activations side by side. */
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { Conv2d } from "../../src/nn/layers/conv2d.js";
import { Linear } from "../../src/nn/layers/linear.js";
import { GlobalAvgPool2d } from "../../src/nn/layers/pooling.js";
import { Module } from "../../src/nn/module.js";
import { add, avgPool2d, clamp, concatenate, maxPool2d, padZeros, relu } from "../../src/tensor/ops.js";
import { type Random, randomFor } from "../../src/tensor/random.js";
import type { Tensor } from "../../src/tensor/tensor.js";

interface Part {
  readonly channels: number;
  readonly text: string;
  readonly compute: (x: Tensor) => Tensor;
}

export interface RandomConvolutions {
  readonly model: Module;
  readonly channels: 1 | 3;
  readonly size: readonly [height: number, width: number];
  readonly text: string;
}

class Network extends Module {
  readonly pool = new GlobalAvgPool2d();
  readonly head: Linear;

  constructor(
    layers: readonly Module[],
    private readonly parts: readonly Part[],
  ) {
    super();
    for (const [i, layer] of layers.entries()) Object.assign(this, { [`layer${i}`]: layer });
    this.head = new Linear(parts.at(-1)?.channels ?? 0, 7);
  }

  override forward(images: Tensor): Tensor {
    return this.head.forward(this.pool.forward(this.parts.reduce((x, { compute }) => compute(x), images)));
  }
}

export function randomConvolutions(seed: number): RandomConvolutions {
  const maker = new Maker(randomFor(seed, "convolutions"));
  return maker.network();
}

class Maker {
  readonly #layers: Module[] = [];

  constructor(private readonly random: Random) {}

  network(): RandomConvolutions {
    const channels = this.#one([1, 3, 3] as const);
    const size = [8 + this.random.integer(12), 8 + this.random.integer(12)] as const;
    const parts = [this.#block(channels)];
    for (let i = this.random.integer(5); i >= 0; i--) parts.push(this.#step((parts.at(-1) as Part).channels));
    const text = `${channels}x${size.join("x")}: ${parts.map((part) => part.text).join("; ")}`;
    return { model: new Network(this.#layers, parts), channels, size, text };
  }

  #one<T>(choices: readonly T[]): T {
    return choices[this.random.integer(choices.length)] as T;
  }

  #step(from: number): Part {
    switch (this.random.integer(8)) {
      case 0:
        return this.#sum(from, this.#normalised(from, from, 3), { channels: from, text: "x", compute: (x) => x });
      case 1: {
        const channels = this.#channels();
        return this.#sum(channels, this.#normalised(from, channels, 3), this.#normalised(from, channels, 1));
      }
      case 2:
        return this.#side(this.#block(from, false), this.#block(from, false));
      case 3:
        return { channels: from, text: "max pool", compute: (x) => maxPool2d(x, 3, 2, 1) };
      case 4:
        return this.#averagePool(from, this.random.integer(2) === 0);
      case 5:
        return this.#padded(from);
      default:
        return this.#block(from);
    }
  }

  #averagePool(channels: number, countIncludePad: boolean): Part {
    const text = `average pool, padding ${countIncludePad ? "counts" : "does not count"}`;
    return { channels, text, compute: (x) => avgPool2d(x, 3, 2, { padding: 1, countIncludePad }) };
  }

  #channels(): number {
    return this.#one([16, 32, 48, 64, 8, 24, 12, 5]);
  }

  /** A convolution with batch norm that keeps height and width, unless it has a stride. */
  #normalised(from: number, channels: number, kernel: 1 | 3 | 5, stride = 1, groups = 1): Part {
    const convolution = new Conv2d(from, channels, kernel, { padding: kernel >> 1, stride, groups });
    const norm = new BatchNorm2d(channels);
    this.#layers.push(convolution, norm);
    const text = `conv ${kernel} to ${channels}, stride ${stride}, groups ${groups}`;
    return { channels, text, compute: (x) => norm.forward(convolution.forward(x)) };
  }

  #block(from: number, mayStride = true): Part {
    const [kernel, stride] = [this.#one([1, 3, 3, 5] as const), mayStride ? this.#one([1, 1, 2]) : 1];
    const isDepthwise = from > 3 && this.random.integer(3) === 0;
    return this.#activated(
      isDepthwise
        ? this.#normalised(from, from, kernel, stride, from)
        : this.#normalised(from, this.#channels(), kernel, stride),
    );
  }

  #activated({ channels, text, compute }: Part): Part {
    switch (this.random.integer(4)) {
      case 0:
        return { channels, text, compute };
      case 1:
        return { channels, text: `${text}, ReLU6`, compute: (x) => clamp(compute(x), 0, 6) };
      default:
        return { channels, text: `${text}, ReLU`, compute: (x) => relu(compute(x)) };
    }
  }

  #sum(channels: number, a: Part, b: Part): Part {
    return this.#activated({
      channels,
      text: `(${a.text}) + (${b.text})`,
      compute: (x) => add(a.compute(x), b.compute(x)),
    });
  }

  #side(a: Part, b: Part): Part {
    const compute = (x: Tensor) => concatenate([a.compute(x), b.compute(x)], 1);
    return { channels: a.channels + b.channels, text: `[${a.text} | ${b.text}]`, compute };
  }

  /** The CIFAR networks' shortcut. */
  #padded(from: number): Part {
    const main = this.#normalised(from, from + 6, 3, 2);
    const shortcut = {
      channels: from + 6,
      text: "every second pixel, padded",
      compute: (x: Tensor) => padZeros(maxPool2d(x, 1, 2, 0), { before: 2, after: 4 }),
    };
    return this.#sum(from + 6, main, shortcut);
  }
}
