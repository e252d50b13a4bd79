import type { PictureSize } from "./picture-shape.js";

const START_OF_SCAN = 0xda;
const EXIF = 0xe1;

/**
 * The size of a JPEG file that is upright and grey or YCbCr, read from its header. Most are, and libvips takes as long for the header
 * as a tenth of the picture.
 *
 * @returns undefined for all others, and where anything is odd: then a decoder has to look
 */
export function plainJpegSize(bytes: Uint8Array): PictureSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return undefined;
  for (let at = 2; at + 10 <= view.byteLength; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint8(at + 1);
    if (view.getUint8(at) !== 0xff || marker === EXIF || marker === START_OF_SCAN) return undefined;
    // Start of frame 0 to 15, but for the tables that stand among them.
    if (marker < 0xc0 || marker > 0xcf || [0xc4, 0xc8, 0xcc].includes(marker)) continue;
    const [height, width, components] = [view.getUint16(at + 5), view.getUint16(at + 7), view.getUint8(at + 9)];
    return height > 0 && width > 0 && (components === 1 || components === 3) ? { height, width } : undefined;
  }
  return undefined;
}
