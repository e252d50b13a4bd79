import { refuseLack } from "../base/lack.js";
import { kindOf } from "../data/kinds/kinds.js";
import type { Sharp } from "../data/pictures/sharp.js";
import type { LabelledSet } from "../data/split.js";

/** The longer side of a photograph in a page, in pixels. */
const SIDE = 176;

export interface Thumbnail {
  /** The picture as a data URI. */
  readonly uri: string;
  /** Whether it has the data's own few pixels, and is to be enlarged without blur. */
  readonly pixelated: boolean;
}

/** A small picture of an image; undefined for a photograph that cannot be read any more. */
export async function thumbnail(set: LabelledSet, index: number): Promise<Thumbnail | undefined> {
  try {
    const { pipeline, pixelated } = await kindOf(set).open(set, index);
    return await thumbnailOf(pipeline, pixelated);
  } catch (error) {
    refuseLack(error);
    // Whatever it is that happened to the file since it was evaluated, the page does without the picture.
    return undefined;
  }
}

/** The same of a picture at hand. */
export async function thumbnailOf(pipeline: Sharp, pixelated: boolean): Promise<Thumbnail> {
  if (pixelated) return { uri: dataUri("png", await pipeline.png().toBuffer()), pixelated };
  const webp = await pipeline.resize(SIDE, SIDE, { fit: "inside" }).webp({ quality: 70 }).toBuffer();
  return { uri: dataUri("webp", webp), pixelated };
}

function dataUri(format: "png" | "webp", bytes: Buffer): string {
  return `data:image/${format};base64,${bytes.toString("base64")}`;
}
