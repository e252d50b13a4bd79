import type { Sharp } from "./sharp.js";

/** Numbers of a decoded picture, [height, width, channels]. */
export interface RawPixels {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

const BYTES = { uchar: 1, float: 4 };

/**
 * Decodes a picture. libvips keeps the words of a failure for all threads in one place; where another thread has taken them, sharp sees none
 * and says that all went well, without pixels.
 */
export async function rawPixels(pipeline: Sharp, depth: keyof typeof BYTES = "uchar"): Promise<RawPixels> {
  const { data, info } = await pipeline.raw({ depth }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (data?.length !== width * height * channels * BYTES[depth]) throw new Error("the picture was not decoded");
  return { data, width, height, channels };
}
