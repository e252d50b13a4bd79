/** Pictures of many kinds decode to what Pillow makes of them; the evaluation transform is torchvision's; no bad file gets through. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { evaluationPixels } from "../../../src/data/pictures/evaluation-transform.js";
import { decodePicture } from "../../../src/data/pictures/picture.js";
import { InputError } from "../../../src/base/errors.js";
import { randomFor } from "../../../src/tensor/random.js";
import { inputError } from "../../support/input-error.js";
import { runPython } from "../../support/oracle.js";

const scratch = mkdtempSync(join(tmpdir(), "knack-picture-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

function differences(actual: Uint8Array, expected: Uint8Array): { mean: number; largest: number } {
  assert.equal(actual.length, expected.length);
  let [sum, largest] = [0, 0];
  for (const [i, value] of actual.entries()) {
    const difference = Math.abs(value - (expected[i] as number));
    sum += difference;
    largest = Math.max(largest, difference);
  }
  return { mean: sum / actual.length, largest };
}

/** Smooth shapes with noise, so that both blur and shifts show. */
async function writePhotograph(name: string, width: number, height: number): Promise<string> {
  const random = randomFor(0, "picture", name);
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 128 + 80 * Math.sin(x / 9 + (i % 3)) * Math.cos(y / (7 + x / 50)) + random.integer(40) - 20;
  });
  await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(at(name));
  return at(name);
}

describe("decodePicture", () => {
  mkdirSync(at("kinds"));
  runPython("make_pictures.py", at("kinds"));
  /** The mean difference: none but for another rounding (blending, profiles) and the colours of inks, where Pillow only subtracts. */
  const allowed = (name: string) =>
    name.startsWith("cmyk") ? 12 : /alpha|profile|orientation|progressive|rgb\.jpg/.test(name) ? 1 : 0;

  for (const name of readdirSync(at("kinds")).filter((file) => !/\.(rgb|size)$/.test(file))) {
    test(JSON.stringify(name), async () => {
      const file = at("kinds", name);
      const { pixels, width, height, channels } = await decodePicture(file);
      assert.equal(`${width} ${height}`, readFileSync(`${file}.size`, "utf8"));
      assert.equal(channels, 3);
      const { mean, largest } = differences(pixels, readFileSync(`${file}.rgb`));
      assert.ok(mean <= allowed(name), `mean ${mean}, largest ${largest}`);
      assert.deepEqual((await decodePicture(readFileSync(file))).pixels, pixels);
    });
  }

  test("16 bits a channel, and AVIF", async () => {
    const deep = sharp(
      Uint16Array.from({ length: 300 }, (_, i) => i * 218),
      { raw: { width: 10, height: 10, channels: 3 } },
    );
    const png = await deep.clone().toColourspace("rgb16").png().toBuffer();
    const decoded = await decodePicture(png);
    assert.ok(
      differences(
        decoded.pixels,
        Uint8Array.from({ length: 300 }, (_, i) => (i * 218) >> 8),
      ).largest <= 1,
    );
    const flat = { width: 16, height: 16, channels: 3, background: "#804020" } as const;
    const avif = await sharp({ create: flat }).avif({ lossless: true }).toBuffer();
    const { pixels } = await decodePicture(avif);
    assert.ok(differences(pixels.subarray(0, 3), Uint8Array.of(0x80, 0x40, 0x20)).largest <= 2);
  });

  test("what is no picture is an error of one line that names the file", async () => {
    const jpeg = readFileSync(at("kinds", "rgb.jpg"));
    const bad: [string, Uint8Array | string, RegExp][] = [
      ["empty.jpg", "", /empty\.jpg is empty$/],
      ["text.jpg", "hello", /text\.jpg is no picture that knack reads: JPEG, PNG/],
      ["drawing.png", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', /drawing\.png is no picture/],
      ["page.jpg", "%PDF-1.4 …", /page\.jpg is no picture/],
      ["header.jpg", jpeg.subarray(0, 30), /header\.jpg is cut off or broken/],
      ["magic.png", "\x89PNG\r\n\x1a\n", /magic\.png is/],
      ["a\nb.jpg", "", /a\\nb\.jpg" is empty$/],
    ];
    for (const name of ["rgb.jpg", "rgb.png", "rgb.webp", "rgb.gif", "rgb.tif", "progressive.jpg"]) {
      const whole = readFileSync(at("kinds", name));
      bad.push([`half-${name}`, whole.subarray(0, whole.length * 0.6), /half-.* is cut off or broken$/]);
    }
    for (const [name, content, message] of bad) {
      writeFileSync(at(name), content);
      await assert.rejects(decodePicture(at(name)), inputError(message), name);
    }
    mkdirSync(at("folder.jpg"));
    symlinkSync(at("nowhere"), at("link.jpg"));
    await assert.rejects(decodePicture(at("folder.jpg")), inputError(/folder\.jpg is a folder, not a picture/));
    await assert.rejects(
      decodePicture(at("link.jpg")),
      inputError(/cannot read .*link\.jpg: no such file or directory/),
    );
    await assert.rejects(decodePicture("/dev/zero"), inputError(/\/dev\/zero is a device/));
    await assert.rejects(decodePicture(Uint8Array.of(1, 2, 3)), inputError(/the picture of 3 bytes is no picture/));
  });

  test("a picture of too many pixels is refused before it is decoded", async () => {
    const background = { r: 0, g: 0, b: 0 };
    const bomb = await sharp({
      create: { width: 20_000, height: 9_000, channels: 3, background },
      limitInputPixels: false,
    })
      .png({ compressionLevel: 1 })
      .toBuffer();
    await assert.rejects(decodePicture(bomb), inputError(/too large: 20000x9000 pixels, at most 178956970/));
    const small = readFileSync(at("kinds", "rgb.png"));
    await assert.rejects(decodePicture(small, { maxPixels: 959 }), inputError(/too large: 40x24/));
    assert.equal((await decodePicture(small, { maxPixels: 960 })).width, 40);
  });

  test("damaged files give pixels or an InputError, never anything else", async () => {
    const wholes = ["rgb.jpg", "rgb.png", "rgb.webp", "rgb.gif", "rgb.tif"].map((name) =>
      readFileSync(at("kinds", name)),
    );
    const damage = fc.record({
      whole: fc.constantFrom(...wholes),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ whole, at, bytes }) => {
        const file = Buffer.from(whole);
        file.set(bytes.subarray(0, file.length - Math.floor(at * file.length)), Math.floor(at * file.length));
        await decodePicture(file, { maxPixels: 1e6 }).catch((error) => assert.ok(error instanceof InputError, error));
      }),
      { numRuns: 200 },
    );
  });
});

describe("evaluationPixels", () => {
  async function compare(files: readonly string[], bound: (name: string) => { mean: number; largest: number }) {
    mkdirSync(at("reference"), { recursive: true });
    runPython("evaluation_transform.py", at("reference"), "224", "256", ...files);
    for (const file of files) {
      const read = (ending: string) => readFileSync(at("reference", `${basename(file)}.${ending}`));
      const pixels = (interpolation: "bilinear" | "bicubic", channels: 1 | 3) =>
        evaluationPixels(file, {
          size: [224, 224],
          resize: "crop",
          cropPct: 0.875,
          interpolation,
          channels,
          mean: [0.5],
        });
      const pairs = [
        [await pixels("bilinear", 3), read("bilinear")],
        [await pixels("bicubic", 3), read("bicubic")],
        [await pixels("bilinear", 1), read("grey")],
      ] as const;
      for (const [actual, expected] of pairs) {
        const { mean, largest } = differences(actual, expected);
        const most = bound(file);
        assert.ok(mean <= most.mean && largest <= most.largest, `${file}: mean ${mean}, largest ${largest}`);
      }
    }
  }

  test("is torchvision's, from PNG and JPEG: a level at most where it enlarges, few where it shrinks", async () => {
    const enlarged = [await writePhotograph("small.png", 31, 47), await writePhotograph("nearly.png", 255, 333)];
    const shrunk = [
      await writePhotograph("wide.png", 501, 375),
      await writePhotograph("tall.jpg", 333, 500),
      await writePhotograph("same.png", 256, 301),
    ];
    await compare(enlarged, () => ({ mean: 0.01, largest: 1 }));
    await compare(shrunk, () => ({ mean: 0.6, largest: 12 }));
    await compare([await writePhotograph("large.png", 2100, 1500)], () => ({ mean: 1, largest: 8 }));
    await compare([await writePhotograph("large.jpg", 2100, 1500)], () => ({ mean: 1, largest: 8 }));
  });

  test("meets the upright picture", async () => {
    const photograph = await writePhotograph("lying.png", 620, 440);
    const files = [2, 3, 5, 6, 7, 8].map(async (orientation) => {
      const file = at(`orientation-${orientation}.jpg`);
      await sharp(photograph).withMetadata({ orientation }).jpeg({ quality: 95 }).toFile(file);
      return file;
    });
    await compare(await Promise.all(files), () => ({ mean: 0.6, largest: 12 }));
  });

  test("a picture of the input's size stays as it is", async () => {
    const file = await writePhotograph("thumbnail.png", 32, 32);
    const format = {
      size: [32, 32],
      resize: "crop",
      cropPct: 1,
      interpolation: "bicubic",
      channels: 3,
      mean: [0.5, 0.5, 0.5],
    } as const;
    assert.deepEqual(
      Buffer.from(await evaluationPixels(file, format)),
      Buffer.from((await decodePicture(file)).pixels),
    );
  });

  test("inputs that are not square, and pictures that are all edge", async () => {
    const file = await writePhotograph("any.png", 90, 60);
    const format = {
      size: [20, 50],
      resize: "crop",
      cropPct: 0.8,
      interpolation: "bilinear",
      channels: 3,
      mean: [0.5, 0.5, 0.5],
    } as const;
    assert.equal((await evaluationPixels(file, format)).length, 20 * 50 * 3);
    for (const name of ["one.png", "long.png"]) {
      const pixels = await evaluationPixels(at("kinds", name), { ...format, size: [64, 64] });
      assert.deepEqual([...new Set(pixels)], [9, 8, 7]);
    }
  });

  const real = process.env.KNACK_DATA;
  test("real photographs", { skip: real ? false : "KNACK_DATA names no folder" }, async () => {
    const folder = join(real ?? "", "data", "imagenet_samples");
    const files = readdirSync(folder).filter((name) => name.endsWith(".JPEG"));
    // One of the fifty has a colour profile other than sRGB, which Pillow passes over.
    await compare(
      files.slice(2, 14).map((name) => join(folder, name)),
      () => ({ mean: 1, largest: 12 }),
    );
  });
});
