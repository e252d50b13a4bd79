import { extname } from "node:path";
import sharp, { type OverlayOptions } from "sharp";
import { writeFileAtomic } from "../atomic-file.js";
import { InputError } from "../errors.js";
import { readPhoto } from "./photo-locations.js";
import type { PhotoSet } from "./photo-set.js";
import { openPicture } from "./picture.js";

const COLUMNS = 8;
const MOST_CLASSES = 40;
const TILE = 112;
const GAP = 4;
const LABEL = 160;

/**
 * Writes a PNG to look at: a row for each class (40 of them, evenly chosen, where there are more), its name and eight of its
 * pictures, evenly chosen. A picture that cannot be read is a red tile.
 *
 * @throws InputError where the file's name does not end in .png; KnackError where it cannot be written
 */
export async function writeContactSheet(set: PhotoSet, file: string): Promise<void> {
  if (extname(file).toLowerCase() !== ".png") throw new InputError(`the contact sheet ${file} must end in .png`);
  const byClass = set.classes.map((): number[] => []);
  for (const [index, label] of set.labels.entries()) byClass[label]?.push(index);
  const shown = evenly([...set.classes.keys()], MOST_CLASSES);

  const layers: OverlayOptions[] = [];
  for (const [row, label] of shown.entries()) {
    const top = GAP + row * (TILE + GAP);
    const indices = byClass[label] as number[];
    const text = await caption(set.classes[label] as string, indices.length);
    layers.push({ input: text.data, left: GAP, top: top + Math.max(0, (TILE - text.info.height) >> 1) });
    const tiles = await Promise.all(evenly(indices, COLUMNS).map((index) => tile(set, index)));
    for (const [column, input] of tiles.entries()) layers.push({ input, left: LABEL + column * (TILE + GAP), top });
  }
  const width = LABEL + COLUMNS * (TILE + GAP);
  const height = GAP + shown.length * (TILE + GAP);
  const canvas = sharp({ create: { width, height, channels: 3, background: "white" } });
  writeFileAtomic(file, await canvas.composite(layers).png().toBuffer());
}

async function tile(set: PhotoSet, index: number): Promise<Buffer> {
  try {
    const { pipeline } = await openPicture(await readPhoto(set.locations, index));
    return await pipeline.resize(TILE, TILE, { fit: "cover" }).png({ compressionLevel: 1 }).toBuffer();
  } catch {
    return sharp({ create: { width: TILE, height: TILE, channels: 3, background: "firebrick" } })
      .png()
      .toBuffer();
  }
}

/** Class names are anybody's: no markup, no control characters, at most forty characters. */
function caption(name: string, count: number) {
  const letters = [...name.replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, "\u00b7")];
  const short = letters.length > 40 ? `${letters.slice(0, 39).join("")}…` : letters.join("");
  const escaped = short.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const text = `${escaped}\n${count.toLocaleString("en")}`;
  return sharp({ text: { text, font: "sans 10", width: LABEL - 3 * GAP, wrap: "word-char", rgba: true, dpi: 96 } })
    .png()
    .toBuffer({ resolveWithObject: true });
}

/** At most `count` of them, spread over all. */
function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] as T);
}
