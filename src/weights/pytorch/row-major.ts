import { ITEM_SIZE } from "../../tensor/dtype.js";
import type { StoredTensor } from "./torch-objects.js";

/** One array type for each size of element: what the bits mean does not matter here. */
const ARRAYS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/** A tensor's bytes in row-major order: a view of its storage's bytes where they lie so already, else a copy. */
export function rowMajor(tensor: StoredTensor, storage: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { shape, stride, offset } = tensor;
  const itemSize = ITEM_SIZE[tensor.storage.dtype];
  const length = shape.reduce((product, size) => product * size, 1);
  if (length === 0) return new Uint8Array(0);
  if (isRowMajor(shape, stride)) {
    return new Uint8Array(storage.buffer, storage.byteOffset + offset * itemSize, length * itemSize);
  }
  const array = ARRAYS[itemSize as keyof typeof ARRAYS];
  const source = new array(storage.buffer, storage.byteOffset, storage.byteLength / itemSize);
  const target = new array(length);
  let next = 0;
  const copy = (dimension: number, from: number): void => {
    const size = shape[dimension] ?? 1;
    const step = stride[dimension] ?? 0;
    const isLast = dimension === shape.length - 1;
    for (let i = 0; i < size; i++, from += step) {
      if (isLast) target[next++] = source[from] as number & bigint;
      else copy(dimension + 1, from);
    }
  };
  copy(0, offset);
  return new Uint8Array(target.buffer);
}

function isRowMajor(shape: readonly number[], stride: readonly number[]): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] ?? 1;
    if (size === 1) continue;
    if (stride[i] !== step) return false;
    step *= size;
  }
  return true;
}
