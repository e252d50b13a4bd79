/** Pictures of 2, 4 and 5 channels are kept as their files have them: no transparency over white, no colours, each band resized alone. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { changedPixels } from "../../../src/data/augment/photo-transform.js";
import { type EvaluationFormat, evaluationPixels } from "../../../src/data/pictures/evaluation-transform.js";
import { openPicture } from "../../../src/data/pictures/picture.js";
import { inputError } from "../../support/input-error.js";
import { runPython } from "../../support/oracle.js";
import { tiff as writeTiff } from "../../support/tiff.js";
import { scratchFolder } from "../../support/scratch-folder.js";

const at = scratchFolder("bands");
const [WIDTH, HEIGHT] = [21, 13];
const value = (x: number, y: number, band: number) => (x * 7 + y * 11 + band * 53 + ((x * y) % 17)) % 256;

/** [height, width, bands] */
function bandsOf(count: number): Uint8Array {
  const [area, at] = [WIDTH * HEIGHT, (i: number) => Math.floor(i / count)];
  return Uint8Array.from({ length: area * count }, (_, i) =>
    value(at(i) % WIDTH, Math.floor(at(i) / WIDTH), i % count),
  );
}

function tiff(samples: number, photometric: 1 | 2, bits: 8 | 16 | 32 = 8): Buffer {
  const type = ({ 8: "uint8", 16: "uint16", 32: "float32" } as const)[bits];
  const extra = Array(samples - (photometric === 2 ? 3 : 1)).fill(0);
  const stored = (level: number) => ({ 8: level, 16: 16 * level, 32: level / 255 })[bits];
  const form = { width: WIDTH, height: HEIGHT, samples, type, photometric, ...(extra.length > 0 && { extra }) };
  return writeTiff(form, (x, y, band) => stored(value(x, y, band)));
}

const format = (channels: number, size: readonly [number, number] = [HEIGHT, WIDTH]): EvaluationFormat => ({
  ...{ size, resize: "squash", cropPct: 1, interpolation: "bilinear", channels },
  mean: Array(channels).fill(0.5),
});

const png = (channels: 3 | 4 | 2) =>
  sharp(bandsOf(channels), { raw: { width: WIDTH, height: HEIGHT, channels } })
    .png()
    .toBuffer();

describe("a picture's own channels", () => {
  for (const [channels, photometric] of [
    [2, 1],
    [4, 1],
    [4, 2],
    [5, 1],
    [5, 2],
  ] as const) {
    test(`TIFF of ${channels} bands, ${photometric === 2 ? "the first three colours" : "all grey"}`, async () => {
      const wanted = Buffer.from(bandsOf(channels));
      const plain = await evaluationPixels(tiff(channels, photometric), format(channels));
      assert.deepEqual(Buffer.from(plain), wanted);
      const of16 = { ...format(channels), intensity: [0, 4080] as const };
      assert.deepEqual(Buffer.from(await evaluationPixels(tiff(channels, photometric, 16), of16)), wanted);
      const floats = { ...format(channels), intensity: [0, 1] as const };
      assert.deepEqual(Buffer.from(await evaluationPixels(tiff(channels, photometric, 32), floats)), wanted);
      await assert.rejects(
        evaluationPixels(tiff(channels, photometric, 16), format(channels)),
        inputError(/would be black: .*--intensity/),
      );
    });
  }

  test("PNG with transparency, and 255 where it has none", async () => {
    assert.deepEqual(Buffer.from(await evaluationPixels(await png(4), format(4))), Buffer.from(bandsOf(4)));
    const opaque = await evaluationPixels(await png(3), format(4));
    const colours = bandsOf(3);
    for (const [i, level] of opaque.entries()) {
      assert.equal(level, i % 4 === 3 ? 255 : colours[Math.floor(i / 4) * 3 + (i % 4)]);
    }
    const grey = await sharp(bandsOf(2), { raw: { width: WIDTH, height: HEIGHT, channels: 2 } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    assert.deepEqual(Buffer.from(await evaluationPixels(grey, format(2))), Buffer.from(bandsOf(2)));
    const four = await evaluationPixels(grey, format(4));
    const both = bandsOf(2);
    for (const [i, level] of four.entries()) assert.equal(level, both[Math.floor(i / 4) * 2 + (i % 4 === 3 ? 1 : 0)]);
  });

  test("others are refused, with what they have", async () => {
    const rejected = async (picture: Buffer, channels: number, message: RegExp) =>
      assert.rejects(evaluationPixels(picture, format(channels)), inputError(message));
    await rejected(tiff(4, 2), 5, /has 4 channels, and 5 are wanted: .*--channels/);
    await rejected(tiff(3, 2), 4, /has 3 channels, and 4 are wanted/);
    await rejected(tiff(5, 2), 3, /has 5 bands: .*, or train with --channels 5$/);
    await rejected(await png(4), 5, /has 4 channels, and 5 are wanted/);
    const cmyk = await sharp(await png(3))
      .toColourspace("cmyk")
      .jpeg()
      .toBuffer();
    await rejected(cmyk, 4, /is in CMYK/);
  });

  test("is looked at by its first bands", async () => {
    const { pipeline } = await openPicture(tiff(5, 2), { channels: 5 });
    const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
    assert.equal(info.channels, 3);
    assert.deepEqual([...data.subarray(0, 6)], firstColours());
  });
});

function firstColours(): number[] {
  return [0, 1].flatMap((x) => [0, 1, 2].map((band) => value(x, 0, band)));
}

describe("resized", () => {
  const size = [31, 17] as const;
  let expected: Buffer[];
  before(async () => {
    const all = bandsOf(5);
    const tasks = [];
    for (const [i, bands] of [
      [0, 1, 2],
      [3, 4, 4],
    ].entries()) {
      const three = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, k) => {
        return all[Math.floor(k / 3) * 5 + (bands[k % 3] as number)] as number;
      });
      await sharp(three, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
        .png()
        .toFile(at(`of-${i}.png`));
      tasks.push({ file: at(`of-${i}.png`), size, mode: "squash", mirrored: true });
    }
    writeFileSync(at("tasks.json"), JSON.stringify(tasks));
    runPython("resize_modes.py", at());
    expected = tasks.map((_, i) => readFileSync(at(String(i))));
  });

  test("each band is Pillow's of that band, mirrored in training, and its values are no colours", async () => {
    const picture = await openPicture(tiff(5, 2), { channels: 5 });
    const crop = { left: 0, top: 0, width: WIDTH, height: HEIGHT };
    const colours = { hue: 0.3, saturation: 0.5, brightness: 0.5, shift: [9, 9, 9] } as const;
    const pixels = await changedPixels(picture, format(5, size), { crop, mirrored: true, colours });
    for (const [i, level] of pixels.entries()) {
      const [pixel, band] = [Math.floor(i / 5), i % 5];
      assert.equal(level, expected[band < 3 ? 0 : 1]?.[pixel * 3 + (band % 3)]);
    }
  });
});
