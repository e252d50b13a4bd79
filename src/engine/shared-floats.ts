import { cpuAddon } from "../native/cpu/addon.js";
import { noGradient } from "../tensor/autograd.js";
import { copyInPlace, permute, setData } from "../tensor/ops.js";
import { placesSideBySide } from "../tensor/packed-memory.js";
import { Tensor } from "../tensor/tensor.js";

/** Numbers in memory that libtorch and the fast engine both work on. */
export class SharedFloats implements Disposable {
  readonly tensor: Tensor;

  constructor(
    readonly shape: readonly number[],
    readonly floats: Float32Array = new Float32Array(new SharedArrayBuffer(4 * sizeOf(shape))),
  ) {
    this.tensor = Tensor.from(floats, shape).keep();
  }

  /** One for each shape, side by side in one piece of memory of large pages. */
  static sideBySide(shapes: readonly (readonly number[])[]): SharedFloats[] {
    const { size, places } = placesSideBySide(shapes);
    const whole = new Float32Array(new SharedArrayBuffer(4 * size));
    cpuAddon()?.wantLargePages(whole);
    return places.map(({ shape, start, end }) => new SharedFloats(shape, whole.subarray(start, end)));
  }

  static readonly #homes = new WeakMap<Tensor, Float32Array>();

  /**
   * Moves float32 tensors' contents into such memory, each once: they stay the same tensors, in the layout of their shapes.
   *
   * @returns the memory of each
   */
  static homesOf(tensors: Iterable<Tensor>): Map<Tensor, Float32Array> {
    const all = [...new Set(tensors)];
    const strangers = all.filter((tensor) => !SharedFloats.#homes.has(tensor));
    const homes = SharedFloats.sideBySide(strangers.map(({ shape }) => shape));
    for (const [index, tensor] of strangers.entries()) {
      const home = homes[index] as SharedFloats;
      noGradient(() => copyInPlace(home.tensor, tensor));
      setData(tensor, home.tensor);
      home.dispose();
      SharedFloats.#homes.set(tensor, home.floats);
    }
    return new Map(all.map((tensor) => [tensor, SharedFloats.#homes.get(tensor) as Float32Array]));
  }

  /** Memory of [N, H, W, C] as images [N, C, H, W], which libtorch calls channels-last. */
  asImages(): Tensor {
    return permute(this.tensor, [0, 3, 1, 2]);
  }

  /** The tensor goes; the memory stays as long as an array over it. */
  dispose(): void {
    this.tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
