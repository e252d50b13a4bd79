import sharp from "./sharp.js";
import { type RawPixels, rawPixels } from "./raw-pixels.js";
import { refuseLack } from "../../base/lack.js";

const END = Buffer.of(0xff, 0xd9);
const START_OF_SCAN = 0xda;
/** Of its rows. */
const MOST_MISSING = 0.01;
/** What a decoder makes of blocks that are not there is this grey; a picture's own rows are hardly ever, to their very end. */
const [GREY, BLOCK] = [128, 8];

/** Whether a JPEG file ends before its picture does: no end is marked behind the header and what previews are in it. */
export function lacksEnd(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.subarray(-2).equals(END)) return false;
  for (let at = 2; at + 4 <= buffer.length && buffer[at] === 0xff; at += 2 + buffer.readUInt16BE(at + 2)) {
    if (buffer[at + 1] === START_OF_SCAN) return buffer.indexOf(END, at) < 0;
  }
  return false;
}

/** A JPEG file that lacks its end, with one; undefined where more than 1 % of the picture's rows are missing. */
export async function mendedJpeg(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const mended = Buffer.concat([bytes, END]);
  try {
    const { isProgressive = false } = await sharp(mended).metadata();
    if (await decodesWithoutWarning(mended)) return mended;
    // All rows of a progressive one are there long before it is whole.
    if (isProgressive) return undefined;
    const options = { failOn: "error", limitInputPixels: false } as const;
    const pixels = await rawPixels(sharp(mended, options));
    return missingRows(pixels) <= MOST_MISSING * pixels.height ? mended : undefined;
  } catch (error) {
    refuseLack(error);
    return undefined;
  }
}

async function decodesWithoutWarning(bytes: Uint8Array): Promise<boolean> {
  try {
    await rawPixels(sharp(bytes, { failOn: "warning", limitInputPixels: false }));
    return true;
  } catch (error) {
    refuseLack(error);
    return false;
  }
}

/** Rows at the bottom whose right end is grey. */
function missingRows({ data, width, height, channels }: RawPixels): number {
  const row = width * channels;
  const tail = Math.min(width, BLOCK) * channels;
  let missing = 0;
  while (missing < height) {
    const end = (height - missing) * row;
    if (!data.subarray(end - tail, end).every((value) => Math.abs(value - GREY) <= 1)) break;
    missing++;
  }
  return missing;
}
