/** Pictures of more than 8 bits: what is black and white in them is known or asked for, never guessed. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import sharp from "sharp";
import { packPhotos } from "../../../src/data/photos/packed-cache.js";
import { deepPictures } from "../../../src/data/photos/deep-pictures.js";
import { readPhoto } from "../../../src/data/photos/photo-locations.js";
import type { Intensity } from "../../../src/data/pictures/deep-picture.js";
import { decodePicture } from "../../../src/data/pictures/picture.js";
import { openPhotos } from "../../../src/data/sources/open.js";
import { checkPhotos } from "../../../src/tools/data-check/check-photos.js";
import { inputError } from "../../support/input-error.js";
import { scratchFolder } from "../../support/scratch-folder.js";
import { type TiffForm, tiff } from "../../support/tiff.js";

const WIDTH = 52;
const grey = { width: WIDTH, height: 3, samples: 1 } as const;
/** From 0 to 1 along the lines; green has a third of red, blue a fifth. */
const ramp = (x: number, sample = 0) => x / (WIDTH - 1) / (2 * sample + 1);

/** What a ramp from black to white is in 8 bits. */
function levels(samples: number): number[] {
  const level = (x: number, sample: number) => Math.round(255 * ramp(x, samples === 1 ? 0 : sample));
  return Array.from({ length: WIDTH }, (_, x) => [level(x, 0), level(x, 1), level(x, 2)]).flat();
}

async function firstRow(bytes: Uint8Array, intensity?: Intensity): Promise<number[]> {
  const { pixels } = await decodePicture(bytes, { intensity });
  return [...pixels.subarray(0, 3 * WIDTH)];
}

/** A ramp from `black` to `white`, stored as `type`. */
function rampFile(type: TiffForm["type"], samples: 1 | 3, [black, white]: Intensity): Buffer {
  const exact = type.startsWith("float") ? (value: number) => value : Math.round;
  return tiff({ ...grey, samples, type }, (x, _, sample) => exact(black + (white - black) * ramp(x, sample)));
}

async function png16(most: number): Promise<Buffer> {
  const values = Uint16Array.from({ length: 3 * WIDTH }, (_, i) => Math.round(most * ramp(i % WIDTH)));
  return sharp(values, { raw: { width: WIDTH, height: 3, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toBuffer();
}

describe("intensity", () => {
  const kinds: [TiffForm["type"], Intensity][] = [
    ["uint16", [0, 4095]],
    ["uint16", [1000, 65535]],
    ["int16", [-1000, 1000]],
    ["int16", [-32768, 32767]],
    ["int32", [-100_000, 2_000_000]],
    ["float32", [0, 1]],
    ["float32", [-3.5, 900]],
  ];
  for (const [type, intensity] of kinds) {
    for (const samples of [1, 3] as const) {
      test(`${type} of ${samples} from ${intensity.join(" to ")} is the same ramp`, async () => {
        const near = (await firstRow(rampFile(type, samples, intensity), intensity)).map(
          (level, i) => level - (levels(samples)[i] as number),
        );
        // Whole numbers of the file are rounded first.
        assert.ok(
          near.every((difference) => Math.abs(difference) <= (intensity[1] > 1000 ? 0 : 1)),
          near.join(),
        );
      });
    }
  }

  test("what is beyond it is black or white, and what is no number black", async () => {
    const values = [Number.NaN, Number.NEGATIVE_INFINITY, -5, 10, 20, 90, Number.POSITIVE_INFINITY];
    const file = tiff({ width: values.length, height: 1, samples: 1, type: "float32" }, (x) => values[x] as number);
    const { pixels } = await decodePicture(file, { intensity: [10, 30] });
    assert.deepEqual([...pixels.filter((_, i) => i % 3 === 0)], [0, 0, 0, 0, 128, 255, 255]);
  });

  test("pictures of 8 bits are left alone", async () => {
    const file = tiff({ ...grey, type: "uint8" }, (x) => Math.round(255 * ramp(x)));
    assert.deepEqual(await firstRow(file, [0, 4095]), await firstRow(file));
  });

  test("16-bit PNG", async () => assert.deepEqual(await firstRow(await png16(4095), [0, 4095]), levels(1)));
});

describe("without it", () => {
  test("16 bits have all their range, other numbers 0 to 255, grey and colour alike", async () => {
    assert.deepEqual(await firstRow(await png16(65535)), levels(1));
    for (const samples of [1, 3] as const) {
      assert.deepEqual(await firstRow(rampFile("uint16", samples, [0, 65535])), levels(samples));
      assert.deepEqual(await firstRow(rampFile("float32", samples, [0, 255])), levels(samples));
    }
  });

  const refused: [what: string, file: Buffer | Promise<Buffer>, message: RegExp][] = [
    ["twelve bits", png16(4095), /would be black: its values go from 0 to 4095.*--intensity/],
    ["grey floats", rampFile("float32", 1, [0, 1]), /would be black: its values go from 0 to 1,/],
    ["colour floats", rampFile("float32", 3, [0, 1]), /would be black: its values go from 0 to 1,/],
    ["a scanner's", rampFile("int16", 1, [-1000, 1000]), /would be cut off: its values go from -1000 to 1000/],
    ["all at the upper end", rampFile("uint16", 1, [64_000, 65_535]), /would be white/],
  ];
  for (const [what, file, message] of refused) {
    test(`${what} are refused`, async () => assert.rejects(firstRow(await file), inputError(message)));
  }

  test("a picture of another kind than the intensity is for", async () => {
    const floats = rampFile("float32", 1, [0, 1]);
    await assert.rejects(firstRow(floats, [0, 65535]), inputError(/would be of one colour/));
    // A dark picture, or one beyond the range: somebody said that it is black.
    assert.equal(Math.max(...(await firstRow(rampFile("uint16", 1, [0, 3000]), [0, 65535]))), 12);
    assert.equal(Math.max(...(await firstRow(rampFile("int16", 1, [-1000, -400]), [-160, 240]))), 0);
  });
});

describe("samples that are no colours", () => {
  const colours = (x: number, sample: number) => (sample === 3 ? x : 200 - 50 * sample);
  const opaque = Array.from({ length: WIDTH }, () => [200, 150, 100]).flat();

  test("a fourth one that is not said to be transparency is left out", async () => {
    for (const extra of [undefined, [0]]) {
      const form = { ...grey, samples: 4, ...(extra && { extra }) };
      assert.deepEqual(await firstRow(tiff({ ...form, type: "uint8" }, (x, _, sample) => colours(x, sample))), opaque);
      const wide = tiff({ ...form, type: "uint16" }, (x, _, sample) => 257 * colours(x, sample));
      assert.deepEqual(await firstRow(wide), opaque);
    }
    const form = { ...grey, samples: 4, type: "uint8", extra: [2] } as const;
    assert.deepEqual((await firstRow(tiff(form, (x, _, sample) => colours(x, sample)))).slice(0, 3), [255, 255, 255]);
  });

  test("bands, LAB, doubles, halves and complex numbers are called what they are", async () => {
    const bands = tiff({ ...grey, samples: 13, type: "uint16", photometric: 1, extra: Array(12).fill(0) }, () => 9);
    await assert.rejects(firstRow(bands), inputError(/has 13 bands: make it a picture of one \(grey\) or three/));
    const lab = tiff({ ...grey, samples: 3, type: "uint8", photometric: 8 }, () => 9);
    await assert.rejects(firstRow(lab), inputError(/is in LAB colours: convert it to RGB/));
    await assert.rejects(
      firstRow(rampFile("float64", 1, [0, 255])),
      inputError(/numbers of 64 bits: convert it to 32/),
    );
    const halves = tiff({ ...grey, samples: 1, type: "float16" }, () => 0);
    await assert.rejects(firstRow(halves), inputError(/floating-point numbers of 16 bits: convert it to 32/));
    const complex = tiff({ ...grey, samples: 1, type: "complex32" }, () => 0);
    await assert.rejects(firstRow(complex), inputError(/holds complex numbers: convert it to real ones/));
    const clear = tiff({ ...grey, samples: 4, type: "float32", extra: [2] }, () => 9);
    await assert.rejects(firstRow(clear), inputError(/has transparency beside numbers that are not of 16 bits/));
  });
});

describe("a whole set", () => {
  const scratch = scratchFolder("deep");

  async function photographs(name: string, file: (i: number) => Buffer | Promise<Buffer>, ending = "png") {
    for (const [at, label] of ["ant", "bee"].entries()) {
      for (let i = 0; i < 5; i++) {
        const path = scratch(name, label, `${i}.${ending}`);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, await file(5 * at + i));
      }
    }
    return openPhotos(scratch(name));
  }

  test("is lost or not as a whole: a dark picture is none", async () => {
    const dark = await photographs("dark", (i) => png16(i === 7 ? 60_000 : 3000 + i));
    const sets = [dark.train, dark.validation];
    const { lost, range, natural, count } = (await deepPictures(sets)) ?? {};
    assert.deepEqual([lost, range, natural, count], [undefined, { min: 0, max: 60_000 }, [0, 65535], 10]);
    assert.deepEqual((await checkPhotos(dark)).problems, []);
    const twelve = await photographs("twelve", (i) => png16(4000 + i));
    assert.equal((await deepPictures([twelve.train, twelve.validation], { early: true }))?.lost, "black");
    const { problems, unreadable, deep } = await checkPhotos(twelve);
    assert.deepEqual([unreadable, deep?.range, deep?.count], [[], { min: 0, max: 4009 }, 10]);
    assert.match(problems.join(), /values from 0 to 4009, and would be black: train with --intensity 0,4009/);
    assert.deepEqual((await checkPhotos(twelve, { intensity: [0, 4095] })).problems, []);
    const floats = await photographs("floats", (i) => rampFile("float32", 3, [0, i === 9 ? 256 : 200]), "tif");
    assert.equal((await deepPictures([floats.train, floats.validation], { early: true }))?.lost, "cut off");
    const bytes = await photographs("bytes", () => tiff({ ...grey, type: "uint8" }, (x) => 4 * x), "tif");
    assert.equal(await deepPictures([bytes.train, bytes.validation]), undefined);
  });

  test("smaller copies have 8 bits, and others for another intensity", async () => {
    const { train } = await photographs("copied", () =>
      tiff({ width: 64, height: 64, samples: 1, type: "uint16" }, (x) => 60 * x),
    );
    const copy = async (intensity: Intensity) => {
      const { locations } = await packPhotos(train, scratch("cache"), { shorterSide: 32, intensity });
      const { pixels, width } = await decodePicture(await readPhoto(locations, 0));
      return [width, pixels[3 * 31] as number] as const;
    };
    const [[width, bright], [, dim]] = [await copy([0, 3780]), await copy([0, 37_800])];
    assert.ok(width === 32 && bright > 245 && dim < 30, `${width} ${bright} ${dim}`);
  });
});
