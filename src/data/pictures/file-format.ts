import { closeSync, constants, openSync, readSync } from "node:fs";
import { refuseLack } from "../../base/lack.js";

/** What a picture file is. */
export interface FileFormat {
  /** For people: "JPEG". */
  readonly name: string;
  /** Whether knack reads it. */
  readonly read: boolean;
}

/** How files begin: bytes as latin1, and where they are. */
const SIGNATURES: readonly (readonly [name: string, bytes: string, at?: number])[] = [
  ["JPEG", "\xff\xd8\xff"],
  ["PNG", "\x89PNG\r\n"],
  ["GIF", "GIF87a"],
  ["GIF", "GIF89a"],
  ["WebP", "WEBPVP8", 8],
  ["TIFF", "II*\0"],
  ["TIFF", "MM\0*"],
  ["TIFF", "II+\0"],
  ["TIFF", "MM\0+"],
  ["JPEG XL", "\xff\x0a"],
  ["JPEG XL", "\0\0\0\x0cJXL "],
  ["JPEG 2000", "\xff\x4f\xff\x51"],
  ["JPEG 2000", "\0\0\0\x0cjP  "],
  ["DICOM", "DICM", 128],
  ["Photoshop", "8BPS"],
  ["icon", "\0\0\x01\0"],
  ["PDF", "%PDF"],
  ["OpenEXR", "v/1\x01"],
  ["Radiance HDR", "#?R"],
  ["video", "AVI ", 8],
  ["video", "\x1a\x45\xdf\xa3"],
];
const READ = new Set(["JPEG", "PNG", "GIF", "WebP", "TIFF", "AVIF"]);
const HEAD = 256;
/** Sizes of a BMP file's second header. */
const BMP_HEADERS = [12, 40, 52, 56, 64, 108, 124];

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
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD));
  const text = head.toString("latin1");
  const name =
    isoMedia(text) ?? SIGNATURES.find(([, start, at = 0]) => text.startsWith(start, at))?.[0] ?? other(head, text);
  return name === undefined ? undefined : { name, read: READ.has(name) };
}

/** Of the family of MP4, by the brand. */
function isoMedia(text: string): string | undefined {
  if (!text.startsWith("ftyp", 4)) return undefined;
  if (/avi[fs]/.test(text.slice(8, 64))) return "AVIF";
  if (/^(he[iv][cxms]|m[is]f1)/.test(text.slice(8))) return "HEIC";
  return text.startsWith("crx ", 8) ? "RAW" : "video";
}

function other(head: Buffer, text: string): string | undefined {
  if (text.startsWith("BM") && head.length >= 18 && BMP_HEADERS.includes(head.readUInt32LE(14))) return "BMP";
  if (/^P[1-7]\s+[#\d]/.test(text)) return "Netpbm";
  return /^(\xef\xbb\xbf)?\s*<.*<svg|^\s*<svg/is.test(text) ? "SVG" : undefined;
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
