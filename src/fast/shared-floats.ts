import { noGradient } from "../tensor/autograd.js";
import { copyInPlace, permute, setData } from "../tensor/ops.js";
import { Tensor } from "../tensor/tensor.js";

/** Numbers in memory that libtorch and the fast engine both work on. */
export class SharedFloats implements Disposable {
  readonly floats: Float32Array;
  readonly tensor: Tensor;

  constructor(readonly shape: readonly number[]) {
    const count = shape.reduce((product, size) => product * size, 1);
    this.floats = new Float32Array(new SharedArrayBuffer(4 * count));
    this.tensor = Tensor.from(this.floats, shape).keep();
  }

  static readonly #homes = new WeakMap<Tensor, Float32Array>();

  /** Moves a float32 tensor's contents into such memory, once: it stays the same tensor, in the layout of its shape. */
  static homeOf(tensor: Tensor): Float32Array {
    const known = SharedFloats.#homes.get(tensor);
    if (known) return known;
    const home = new SharedFloats(tensor.shape);
    noGradient(() => copyInPlace(home.tensor, tensor));
    setData(tensor, home.tensor);
    home.dispose();
    SharedFloats.#homes.set(tensor, home.floats);
    return home.floats;
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
