import { types } from "node:util";
import { addon, type Handle } from "../native/torch/addon.js";
import { type DType, dtypeOf, type TypedArray } from "./dtype.js";

/**
 * A libtorch tensor. It holds memory until `dispose()`, until the `using` block that declares it ends, or until the
 * `scope()` it was made in ends.
 */
export class Tensor implements Disposable {
  static readonly #scopes: Set<Tensor>[] = [];

  readonly #handle: Handle;

  /** For the tensor floor's own use: programs make tensors with `Tensor.from` and the operators. */
  constructor(handle: Handle) {
    if (!types.isExternal(handle)) throw new TypeError("Tensor: not a native handle; use Tensor.from");
    this.#handle = handle;
    Tensor.#scopes.at(-1)?.add(this);
  }

  /**
   * A tensor of the given shape over typed array data in row-major order. Memory of a SharedArrayBuffer is borrowed without
   * a copy, so later writes are seen; other memory is copied.
   *
   * @param dtype needed only where the array does not tell: float16 and bfloat16 bits in a Uint16Array, bool in a
   *   Uint8Array, or raw bytes in a Uint8Array.
   * @throws Error where the number of bytes does not fit the shape.
   */
  static from(data: TypedArray | readonly number[], shape?: readonly number[], dtype?: DType): Tensor {
    const array: TypedArray = ArrayBuffer.isView(data) ? data : Float32Array.from(data);
    const type = dtype ?? dtypeOf(array);
    if (type === undefined) throw new TypeError("Tensor.from: a Uint16Array needs a dtype, float16 or bfloat16");
    const sizes = shape ?? [array.length];
    if (!Array.isArray(sizes) || !sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      throw new TypeError(`Tensor.from: a shape is an array of non-negative integers, got ${JSON.stringify(sizes)}`);
    }
    return new Tensor(addon.fromBuffer(array, type, sizes));
  }

  /** @internal The scope stack belongs to `scope()`. */
  static openScope(): Set<Tensor> {
    const made = new Set<Tensor>();
    Tensor.#scopes.push(made);
    return made;
  }

  /** @internal */
  static closeScope(made: Set<Tensor>, escaping: ReadonlySet<Tensor>): void {
    Tensor.#scopes.pop();
    const parent = Tensor.#scopes.at(-1);
    for (const tensor of made) {
      if (escaping.has(tensor)) parent?.add(tensor);
      else addon.dispose(tensor.#handle);
    }
  }

  /** @internal The native handle, for calls into the addon. */
  static handleOf(tensor: Tensor): Handle {
    return tensor.#handle;
  }

  get shape(): number[] {
    return addon.shape(this.#handle);
  }

  get dtype(): DType {
    return addon.dtype(this.#handle) as DType;
  }

  /** "cpu", "cuda:0", … */
  get device(): string {
    return addon.device(this.#handle);
  }

  get size(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  get requiresGradient(): boolean {
    return addon.requiresGradient(this.#handle);
  }

  get disposed(): boolean {
    return addon.isDisposed(this.#handle);
  }

  /** Takes the tensor out of every scope: it lives until `dispose()`. */
  keep(): this {
    for (const made of Tensor.#scopes) made.delete(this);
    return this;
  }

  /** Frees the memory now; harmless to repeat. Any other use afterwards throws. */
  dispose(): void {
    for (const made of Tensor.#scopes) made.delete(this);
    addon.dispose(this.#handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The elements' bytes in row-major order, copied to JavaScript. */
  bytes(): Uint8Array {
    return new Uint8Array(addon.toBuffer(this.#handle));
  }

  /** The elements as numbers, copied, row-major; every dtype of up to 53 bits of integer. */
  toArray(): number[] {
    const dtype = this.dtype;
    const buffer = addon.toBuffer(this.#handle);
    switch (dtype) {
      case "float32":
        return Array.from(new Float32Array(buffer));
      case "float64":
        return Array.from(new Float64Array(buffer));
      case "int64":
        return Array.from(new BigInt64Array(buffer), Number);
      case "int32":
        return Array.from(new Int32Array(buffer));
      case "int16":
        return Array.from(new Int16Array(buffer));
      case "int8":
        return Array.from(new Int8Array(buffer));
      case "uint8":
      case "bool":
        return Array.from(new Uint8Array(buffer));
      case "bfloat16":
        return Array.from(new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer));
      case "float16":
        throw new TypeError("toArray: convert float16 to float32 first");
    }
  }

  /** The value of a tensor with a single element. */
  item(): number {
    const values = this.toArray();
    const value = values[0];
    if (values.length !== 1 || value === undefined) {
      throw new TypeError(`item: expected a single element, the shape is [${this.shape.join(", ")}]`);
    }
    return value;
  }
}
