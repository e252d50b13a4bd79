import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { randomFor } from "../../src/tensor/random.js";

/** Pixels of a side, so few that a training takes no time. */
const SIDE = 24;

/**
 * Writes photographs, each of smooth colours of its own, and brighter in the rows of its class.
 *
 * @param names "class/name.jpg"
 */
export async function writePhotos(folder: string, names: readonly string[]): Promise<string> {
  const classes = [...new Set(names.map(dirname))].sort();
  for (const name of names) {
    const random = randomFor(0, "tiny-photos", name);
    const coarse = Buffer.from(Array.from({ length: 4 * 4 * 3 }, () => random.integer(160)));
    const bright = (SIDE * (classes.indexOf(dirname(name)) + 0.5)) / classes.length;
    const pixels = await sharp(coarse, { raw: { width: 4, height: 4, channels: 3 } })
      .resize(SIDE, SIDE, { kernel: "cubic" })
      .raw()
      .toBuffer();
    const lit = pixels.map((value, at) => {
      const row = Math.floor(at / (3 * SIDE));
      return Math.abs(row - bright) < 3 ? Math.min(255, value + 90) : value;
    });
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    await sharp(lit, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .jpeg({ quality: 90 })
      .toFile(file);
  }
  return folder;
}

/** "a/00.jpg", "a/01.jpg", … */
export function numbered(folder: string, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => `${folder}/${String(from + i).padStart(2, "0")}.jpg`);
}
