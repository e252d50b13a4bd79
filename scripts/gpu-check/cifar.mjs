// CIFAR-10 made small enough to carry: training images as large sheets of WebP (20 instead of 154 MB; they lose a little, as photographs in JPEG do), a part of
// the test images without loss.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

const SIDE = 32;
const PLANE = SIDE * SIDE;
const RECORD = 1 + 3 * PLANE;
/** Images of a sheet: WebP takes no more than 16,383 pixels a side. */
const COLUMNS = 100;
const TESTED = 2000;
const LOSSY = { quality: 85 };
const LOSSLESS = { lossless: true };

/** Brings every pixel of a file of records onto its sheet, or back. */
function eachPixel(/** @type {number} */ images, /** @type {(inRecords: number, onSheet: number) => void} */ move) {
  for (let image = 0; image < images; image++) {
    const [column, row] = [image % COLUMNS, Math.floor(image / COLUMNS)];
    for (let pixel = 0; pixel < PLANE; pixel++) {
      const [x, y] = [column * SIDE + (pixel % SIDE), row * SIDE + Math.floor(pixel / SIDE)];
      for (let channel = 0; channel < 3; channel++) {
        move(image * RECORD + 1 + channel * PLANE + pixel, 3 * (y * COLUMNS * SIDE + x) + channel);
      }
    }
  }
}

/** A file of records as a sheet and its labels. */
async function toSheet(
  /** @type {Buffer} */ records,
  /** @type {string} */ file,
  /** @type {import("sharp").WebpOptions} */ options,
) {
  const images = records.length / RECORD;
  const [width, height] = [COLUMNS * SIDE, Math.ceil(images / COLUMNS) * SIDE];
  const sheet = Buffer.alloc(3 * width * height);
  eachPixel(images, (inRecords, onSheet) => {
    sheet[onSheet] = records[inRecords] ?? 0;
  });
  await sharp(sheet, { raw: { width, height, channels: 3 } })
    .webp(options)
    .toFile(`${file}.webp`);
  writeFileSync(
    `${file}.labels`,
    Uint8Array.from({ length: images }, (_, image) => records[image * RECORD] ?? 0),
  );
}

/** @param {string} from a folder of CIFAR-10's binary files @param {string} to */
export async function packCifar(from, to) {
  mkdirSync(to, { recursive: true });
  const names = readdirSync(from).filter((name) => /^(data|test)_batch.*\.bin$/.test(name));
  const tests = Buffer.concat(
    names.filter((name) => name.startsWith("test")).map((name) => readFileSync(join(from, name))),
  );
  const trained = names.filter((name) => name.startsWith("data"));
  if (tests.length === 0 || trained.length === 0)
    throw new Error(`${from} has no data_batch_*.bin and test_batch*.bin`);
  for (const name of trained) await toSheet(readFileSync(join(from, name)), join(to, name), LOSSY);
  await toSheet(tests.subarray(0, TESTED * RECORD), join(to, "test_batch.bin"), LOSSLESS);
}

/** Writes what `packCifar` made as binary files again. @returns {Promise<{ training: number, validation: number }>} images */
export async function unpackCifar(/** @type {string} */ from, /** @type {string} */ to) {
  mkdirSync(to, { recursive: true });
  const counts = { training: 0, validation: 0 };
  for (const file of readdirSync(from).filter((name) => name.endsWith(".labels"))) {
    const name = file.slice(0, -".labels".length);
    const labels = readFileSync(join(from, file));
    const sheet = await sharp(join(from, `${name}.webp`))
      .raw()
      .toBuffer();
    const records = Buffer.alloc(labels.length * RECORD);
    for (const [image, label] of labels.entries()) records[image * RECORD] = label;
    eachPixel(labels.length, (inRecords, onSheet) => {
      records[inRecords] = sheet[onSheet] ?? 0;
    });
    writeFileSync(join(to, name), records);
    counts[name.startsWith("data") ? "training" : "validation"] += labels.length;
  }
  return counts;
}
