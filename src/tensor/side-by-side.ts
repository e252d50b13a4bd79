import { full, narrow, permute, reshape } from "./ops.js";
import type { Tensor } from "./tensor.js";

/** Floats of a cache line: where neighbours begin. */
const LINE = 16;

/** Float32 zeros of these shapes, side by side in one piece of memory; those of convolution weights [O, I, H, W] in channels-last order. */
export function zerosSideBySide(shapes: readonly (readonly number[])[], device: string): Tensor[] {
  const sizes = shapes.map((shape) => shape.reduce((product, size) => product * size, 1));
  const room = (size: number) => Math.ceil(size / LINE) * LINE;
  const whole = full([sizes.reduce((sum, size) => sum + room(size), 0)], 0, "float32", device);
  let start = 0;
  return shapes.map((shape, index) => {
    const size = sizes[index] as number;
    const piece = narrow(whole, 0, start, size);
    start += room(size);
    const [out = 1, channels = 1, height = 1, width = 1] = shape;
    if (shape.length !== 4) return reshape(piece, shape);
    return permute(reshape(piece, [out, height, width, channels]), [0, 3, 1, 2]);
  });
}
