import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomFor } from "../../src/tensor/random.js";

/** The size of one side of an image in pixels, as Fashion-MNIST's. */
const SIDE = 28;

export interface TinyData {
  readonly train?: number;
  readonly validation?: number;
  /** At most 14; each class occurs where there are as many images. */
  readonly classes?: number;
}

/**
 * Writes an MNIST-style folder of noisy 28x28 images, each with a bright bar in the rows of its class, so that a model can
 * learn them. The same bytes each time.
 *
 * @returns the folder
 */
export function writeTinyData(folder: string, { train = 128, validation = 64, classes = 10 }: TinyData = {}): string {
  mkdirSync(folder, { recursive: true });
  for (const [role, count] of Object.entries({ train, t10k: validation })) {
    const labels = Uint8Array.from({ length: count }, (_, image) => image % classes);
    writeFileSync(join(folder, `${role}-labels-idx1-ubyte`), idx([count], labels));
    writeFileSync(join(folder, `${role}-images-idx3-ubyte`), idx([count, SIDE, SIDE], drawImages(role, labels)));
  }
  return folder;
}

function drawImages(role: string, labels: Uint8Array): Uint8Array {
  const random = randomFor(0, "tiny-data", role);
  const pixels = new Uint8Array(labels.length * SIDE * SIDE);
  return pixels.map((_, at) => {
    const row = Math.floor(at / SIDE) % SIDE;
    const bright = row >> 1 === labels[Math.floor(at / (SIDE * SIDE))];
    return random.integer(100) + (bright ? 150 : 0);
  });
}

/** An IDX file of bytes: two zero bytes, type 8, the number of dimensions, each dimension as a big-endian uint32, the data. */
function idx(dimensions: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.writeUInt32BE(0x0800 + dimensions.length);
  for (const [i, dimension] of dimensions.entries()) header.writeUInt32BE(dimension, 4 + 4 * i);
  return Buffer.concat([header, data]);
}
