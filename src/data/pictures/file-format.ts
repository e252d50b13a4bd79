import { closeSync, constants, openSync, readSync } from "node:fs";
import { refuseLack } from "../../base/lack.js";

/** What a picture file is. */
export interface FileFormat {
  /** For people: "JPEG". */
  readonly name: string;
  /** Whether knack reads it. */
  readonly read: boolean;
}

/** How files begin: bytes as latin1. */
const BEGINNINGS: readonly (readonly [name: string, head: RegExp, read?: true])[] = [
  ["JPEG", /^\xff\xd8\xff/, true],
  ["PNG", /^\x89PNG\r\n/, true],
  ["GIF", /^GIF8[79]a/, true],
  ["WebP", /^RIFF[^]{4}WEBP/, true],
  ["TIFF", /^(II[*+]\0|MM\0[*+])/, true],
  ["AVIF", /^[^]{4}ftyp[^]*?avi[fs]/, true],
  ["HEIC", /^[^]{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)/],
  ["RAW", /^[^]{4}ftypcrx /],
  ["video", /^([^]{4}ftyp|RIFF[^]{4}AVI |\x1a\x45\xdf\xa3)/],
  ["JPEG XL", /^(\xff\x0a|\0\0\0\x0cJXL )/],
  ["JPEG 2000", /^(\xff\x4f\xff\x51|\0\0\0\x0cjP {2})/],
  ["BMP", /^BM[^]{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0/],
  ["DICOM", /^[^]{128}DICM/],
  ["Photoshop", /^8BPS/],
  ["icon", /^\0\0\x01\0[^\0]/],
  ["PDF", /^%PDF/],
  ["SVG", /^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?<svg/i],
  ["OpenEXR", /^v\/1\x01/],
  ["Radiance HDR", /^#\?R/],
  ["Netpbm", /^P[1-7]\s+(#|\d)/],
];
const HEAD = 256;

/** What of formats that do not say so at their beginning, or look like TIFF, names end in. */
const ENDINGS: readonly (readonly [name: string, ending: RegExp])[] = [
  ["RAW", /\.(cr[23w]|nef|nrw|arw|sr[2fw]|dng|orf|rw2|raf|pef|raw|3fr|iiq)$/i],
  ["DICOM", /\.(dcm|dicom)$/i],
  ["NIfTI", /\.nii(\.gz)?$/i],
  ["TGA", /\.tga$/i],
  ["BMP", /\.(bmp|dib)$/i],
  ["HEIC", /\.hei[cf]$/i],
  ["JPEG 2000", /\.(jp2|j2k|jpx|jpf)$/i],
  ["JPEG XL", /\.jxl$/i],
];

/** Files that lie beside pictures by the thousand, and are never pictures. */
const TEXTS = /\.(txt|json|xml|csv|tsv|ya?ml|md|html?|py|ipynb|log|cls|npy|npz|mat|h5|pkl|db|zip|gz|tar)$/i;

/** What a file is by its first bytes; undefined where it is no picture of a kind that is known. */
export function formatOf(bytes: Uint8Array): FileFormat | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD)).toString("latin1");
  const [name, , read = false] = BEGINNINGS.find(([, beginning]) => beginning.test(head)) ?? [];
  return name === undefined ? undefined : { name, read };
}

/** What a file is whose name does not end like a picture's that knack reads; undefined where it is no picture, or cannot be looked at. */
export function formatOfOther(path: string): FileFormat | undefined {
  if (TEXTS.test(path)) return undefined;
  const ending = ENDINGS.find(([, pattern]) => pattern.test(path))?.[0];
  const found = formatOf(headOf(path));
  // Raw photographs, slides and maps are TIFF inside.
  if (found?.name === "TIFF") return { name: ending ?? "TIFF by another name", read: false };
  return found ?? (ending === undefined ? undefined : { name: ending, read: false });
}

function headOf(path: string): Uint8Array {
  const head = Buffer.alloc(HEAD);
  let file: number | undefined;
  try {
    // Opening a named pipe waits for a writer, unless told not to.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return head.subarray(0, readSync(file, head, 0, HEAD, 0));
  } catch (error) {
    refuseLack(error);
    return head.subarray(0, 0);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
