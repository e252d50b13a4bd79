import { extname } from "node:path";
import sharp, { type OverlayOptions } from "./sharp.js";
import { writeFileAtomic } from "../../base/atomic-file.js";
import { InputError } from "../../base/errors.js";
import { printable } from "../../base/printable.js";

const GAP = 4;
const LABEL = 160;
/** Two lines of text. */
const CAPTION = 40;

/** A picture to look at, made of rows of pictures of one size. */
export interface PictureGrid {
  /** Pixels. */
  readonly tile: { readonly width: number; readonly height: number };
  /** Tiles that a row has room for. */
  readonly columns: number;
  readonly rows: readonly GridRow[];
}

export interface GridRow {
  /** Lines of text at its left. */
  readonly label: readonly string[];
  readonly tiles: readonly GridTile[];
}

export interface GridTile {
  /** An encoded picture of the tile's size; undefined is a red tile, for what cannot be read. */
  readonly picture: Buffer | undefined;
  /** At most two lines under the picture; with one anywhere, every row has room for them. */
  readonly caption?: readonly string[];
}

/** @throws InputError where the name of a file to look at does not end in .png */
export function requirePng(what: string, file: string): void {
  if (extname(file).toLowerCase() !== ".png") throw new InputError(`${what} ${file} must end in .png`);
}

/** Writes a grid as a PNG. @throws KnackError where it cannot be written */
export async function writePictureGrid(file: string, { tile, columns, rows }: PictureGrid): Promise<void> {
  const captioned = rows.some(({ tiles }) => tiles.some(({ caption }) => caption));
  const rowHeight = tile.height + GAP + (captioned ? CAPTION : 0);
  const red = await sharp({ create: { ...tile, channels: 3, background: "firebrick" } })
    .png()
    .toBuffer();
  const layers: OverlayOptions[] = [];
  for (const [row, { label, tiles }] of rows.entries()) {
    const top = GAP + row * rowHeight;
    const text = await written(label, "word-char", { width: LABEL - 3 * GAP, height: tile.height });
    layers.push({ input: text.data, left: GAP, top: top + ((tile.height - text.info.height) >> 1) });
    for (const [column, { picture = red, caption }] of tiles.entries()) {
      const left = LABEL + column * (tile.width + GAP);
      layers.push({ input: picture, left, top });
      if (caption === undefined) continue;
      const under = await written(caption, "none", { width: tile.width, height: CAPTION - GAP });
      layers.push({ input: under.data, left, top: top + tile.height + GAP });
    }
  }
  const width = LABEL + columns * (tile.width + GAP);
  const height = GAP + rows.length * rowHeight;
  const canvas = sharp({ create: { width, height, channels: 3, background: "white" } });
  writeFileAtomic(file, await canvas.composite(layers).removeAlpha().png().toBuffer());
}

/** At most `count` of them, spread over all. */
export function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] as T);
}

/** Lines of text as a picture, wrapped at `width` or not, and cut off at both. */
async function written(lines: readonly string[], wrap: "word-char" | "none", { width, height }: PictureGrid["tile"]) {
  const text = lines.map(harmless).join("\n");
  const input = sharp({ text: { text, font: "sans 10", width, wrap, rgba: true, dpi: 96 } });
  const image = await input.png().toBuffer({ resolveWithObject: true });
  if (image.info.width <= width && image.info.height <= height) return image;
  const [inWidth, inHeight] = [Math.min(width, image.info.width), Math.min(height, image.info.height)];
  return sharp(image.data)
    .extract({ left: 0, top: 0, width: inWidth, height: inHeight })
    .png()
    .toBuffer({ resolveWithObject: true });
}

/** Class and file names are anybody's: no markup, nothing that changes the text around them, at most forty characters. */
function harmless(name: string): string {
  return printable(name, 40).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
