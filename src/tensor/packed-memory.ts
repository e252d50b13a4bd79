import { full, narrow, permute, reshape } from "./ops.js";
import type { Tensor } from "./tensor.js";

/** Floats of a cache line: where neighbours begin. */
const LINE = 16;

/** Where float32 numbers of these shapes lie in one piece of memory, each from a cache line on; all in numbers, not bytes. */
export function placesSideBySide(shapes: readonly (readonly number[])[]): {
  readonly size: number;
  readonly places: readonly { readonly shape: readonly number[]; readonly start: number; readonly end: number }[];
} {
  let size = 0;
  const places = shapes.map((shape) => {
    const start = size;
    const end = start + shape.reduce((product, length) => product * length, 1);
    size = Math.ceil(end / LINE) * LINE;
    return { shape, start, end };
  });
  return { size, places };
}

/** Float32 zeros of these shapes in one piece of memory; those of convolution weights [O, I, H, W] in channels-last order. */
export function zerosSideBySide(shapes: readonly (readonly number[])[], device: string): Tensor[] {
  const { size, places } = placesSideBySide(shapes);
  const whole = full([size], 0, "float32", device);
  return places.map(({ shape, start, end }) => {
    const piece = narrow(whole, 0, start, end - start);
    const [out = 1, channels = 1, height = 1, width = 1] = shape;
    if (shape.length !== 4) return reshape(piece, shape);
    return permute(reshape(piece, [out, height, width, channels]), [0, 3, 1, 2]);
  });
}
