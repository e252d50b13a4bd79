import { refuseLack } from "../../base/lack.js";
import { readPhoto } from "../../data/photos/photo-locations.js";
import type { PhotoSet } from "../../data/photos/photo-set.js";
import type { Intensity } from "../../data/pictures/deep-picture.js";
import { openPicture } from "../../data/pictures/picture.js";
import { classesOfLabel } from "../../data/split.js";
import { evenly, type GridRow, requirePng, writePictureGrid } from "../../data/pictures/picture-grid.js";

const COLUMNS = 8;
const MOST_CLASSES = 40;
const TILE = 112;

/**
 * Writes a PNG to look at: a row for each class (40 of them, evenly chosen, where there are more), its name and eight of its
 * pictures, evenly chosen. A picture that cannot be read is a red tile.
 *
 * @param intensity what is black and white in pictures of more than 8 bits
 * @throws InputError where the file's name does not end in .png; KnackError where it cannot be written
 */
export async function writeContactSheet(set: PhotoSet, file: string, intensity?: Intensity): Promise<void> {
  requirePng("the contact sheet", file);
  const byClass = set.classes.map((): number[] => []);
  for (const [index, label] of set.labels.entries()) {
    for (const each of classesOfLabel(label, set.labelSets)) byClass[each]?.push(index);
  }
  const rows: GridRow[] = [];
  for (const label of evenly([...set.classes.keys()], MOST_CLASSES)) {
    const indices = byClass[label] as number[];
    const pictures = await Promise.all(evenly(indices, COLUMNS).map((index) => small(set, index, intensity)));
    const text = [set.classes[label] as string, indices.length.toLocaleString("en")];
    rows.push({ label: text, tiles: pictures.map((picture) => ({ picture })) });
  }
  await writePictureGrid(file, { tile: { width: TILE, height: TILE }, columns: COLUMNS, rows });
}

async function small(set: PhotoSet, index: number, intensity: Intensity | undefined): Promise<Buffer | undefined> {
  try {
    const { pipeline } = await openPicture(await readPhoto(set.locations, index), { intensity });
    return await pipeline.resize(TILE, TILE, { fit: "cover" }).png({ compressionLevel: 1 }).toBuffer();
  } catch (error) {
    refuseLack(error);
    return undefined;
  }
}
