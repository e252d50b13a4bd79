/** TIFF files of any kind of samples, written plainly: uncompressed, in one strip. */

const WRITERS = {
  uint8: { bytes: 1, format: 1, put: (to: Buffer, at: number, value: number) => to.writeUInt8(value, at) },
  uint16: { bytes: 2, format: 1, put: (to: Buffer, at: number, value: number) => to.writeUInt16LE(value, at) },
  int16: { bytes: 2, format: 2, put: (to: Buffer, at: number, value: number) => to.writeInt16LE(value, at) },
  int32: { bytes: 4, format: 2, put: (to: Buffer, at: number, value: number) => to.writeInt32LE(value, at) },
  float32: { bytes: 4, format: 3, put: (to: Buffer, at: number, value: number) => to.writeFloatLE(value, at) },
  float16: { bytes: 2, format: 3, put: (to: Buffer, at: number, bits: number) => to.writeUInt16LE(bits, at) },
  complex32: { bytes: 4, format: 5, put: (to: Buffer, at: number, bits: number) => to.writeUInt32LE(bits, at) },
  float64: { bytes: 8, format: 3, put: (to: Buffer, at: number, value: number) => to.writeDoubleLE(value, at) },
} as const;

export interface TiffForm {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly type: keyof typeof WRITERS;
  /** 1 grey, 2 RGB, 8 LAB. Default: grey or RGB, by the samples. */
  readonly photometric?: number;
  /** What the samples beside the colours are: 0 not said, 1 and 2 transparency. */
  readonly extra?: readonly number[];
}

/** @param value of a sample of a pixel */
export function tiff(form: TiffForm, value: (x: number, y: number, sample: number) => number): Buffer {
  const { width, height, samples, type, photometric = samples < 3 ? 1 : 2, extra } = form;
  const { bytes, format, put } = WRITERS[type];
  const pixels = Buffer.alloc(width * height * samples * bytes);
  for (let i = 0; i < width * height * samples; i++) {
    const pixel = Math.floor(i / samples);
    put(pixels, i * bytes, value(pixel % width, Math.floor(pixel / width), i % samples));
  }
  const each = (one: number) => Array.from({ length: samples }, () => one);
  const entries: [tag: number, type: 3 | 4, values: readonly number[]][] = [
    [256, 4, [width]],
    [257, 4, [height]],
    [258, 3, each(8 * bytes)],
    [259, 3, [1]],
    [262, 3, [photometric]],
    [273, 4, [8]],
    [277, 3, [samples]],
    [278, 4, [height]],
    [279, 4, [pixels.length]],
    ...(extra ? [[338, 3, extra] as [number, 3, readonly number[]]] : []),
    [339, 3, each(format)],
  ];
  const header = Buffer.from("II*\0\0\0\0\0", "latin1");
  header.writeUInt32LE(8 + pixels.length, 4);
  const directory = Buffer.alloc(2 + 12 * entries.length + 4);
  directory.writeUInt16LE(entries.length, 0);
  const behind: Buffer[] = [];
  let next = 8 + pixels.length + directory.length;
  for (const [i, [tag, kind, values]] of entries.entries()) {
    const at = 2 + 12 * i;
    const size = kind === 3 ? 2 : 4;
    const written = Buffer.alloc(Math.max(4, size * values.length));
    for (const [j, one] of values.entries()) written.writeUIntLE(one, j * size, size);
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(kind, at + 2);
    directory.writeUInt32LE(values.length, at + 4);
    if (written.length === 4) written.copy(directory, at + 8);
    else {
      directory.writeUInt32LE(next, at + 8);
      behind.push(written);
      next += written.length;
    }
  }
  return Buffer.concat([header, pixels, directory, ...behind]);
}
