import type { DType } from "./dtype.js";

/** A tensor outside libtorch: its bytes in row-major order, little-endian. */
export interface RawTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}
