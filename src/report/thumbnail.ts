import sharp from "sharp";
import type { ImageSet } from "../data/image-set.js";
import { readPhoto } from "../data/sources/photo-locations.js";
import type { PhotoSet } from "../data/sources/photo-set.js";
import { openPicture } from "../data/pictures/picture.js";

/** The longer side of a photograph in a page, in pixels. */
const SIDE = 176;

export interface Thumbnail {
  /** The picture as a data URI. */
  readonly uri: string;
  /** Whether it has the data's own few pixels, and is to be enlarged without blur. */
  readonly pixelated: boolean;
}

/** A small picture of an image; undefined for a photograph that cannot be read any more. */
export async function thumbnail(set: ImageSet | PhotoSet, index: number): Promise<Thumbnail | undefined> {
  if (!("locations" in set)) {
    const { height, width, channels, pixels } = set;
    const bytes = height * width * channels;
    const image = pixels.slice(index * bytes, (index + 1) * bytes);
    const png = await sharp(image, { raw: { height, width, channels } }).png().toBuffer();
    return { uri: `data:image/png;base64,${png.toString("base64")}`, pixelated: true };
  }
  try {
    const { pipeline } = await openPicture(await readPhoto(set.locations, index));
    const webp = await pipeline.resize(SIDE, SIDE, { fit: "inside" }).webp({ quality: 70 }).toBuffer();
    return { uri: `data:image/webp;base64,${webp.toString("base64")}`, pixelated: false };
  } catch {
    // Whatever it is that happened to the file since it was evaluated, the page does without the picture.
    return undefined;
  }
}
