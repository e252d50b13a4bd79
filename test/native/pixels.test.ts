import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import sharp from "sharp";
import { plainJpegSize } from "../../src/data/pictures/jpeg-header.js";
import { pixels } from "../../src/native/pixels/pixels.js";

const picture = { create: { width: 37, height: 23, channels: 3, background: "teal" } } as const;

test("the size of a plain JPEG is libvips', and others are left to it", async () => {
  for (const options of [{}, { progressive: true }, { chromaSubsampling: "4:4:4" }, { mozjpeg: true }]) {
    const jpeg = await sharp(picture).jpeg(options).toBuffer();
    assert.deepEqual(plainJpegSize(jpeg), { width: 37, height: 23 });
  }
  const grey = await sharp(picture).toColourspace("b-w").jpeg().toBuffer();
  assert.deepEqual(plainJpegSize(grey), { width: 37, height: 23 });
  const profiled = await sharp(picture).withIccProfile("p3").jpeg().toBuffer();
  assert.deepEqual(plainJpegSize(profiled), { width: 37, height: 23 });
  assert.equal(plainJpegSize(await sharp(picture).withMetadata({ orientation: 6 }).jpeg().toBuffer()), undefined);
  assert.equal(plainJpegSize(await sharp(picture).toColourspace("cmyk").jpeg().toBuffer()), undefined);
  assert.equal(plainJpegSize(await sharp(picture).png().toBuffer()), undefined);
});

test("a damaged header never throws", async () => {
  const jpeg = await sharp(picture).jpeg().toBuffer();
  const damage = fc.array(fc.tuple(fc.nat(jpeg.length - 1), fc.nat(255)), { maxLength: 4 });
  fc.assert(
    fc.property(damage, fc.nat(jpeg.length), (changes, length) => {
      const bytes = Uint8Array.from(jpeg.subarray(0, length));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      const size = plainJpegSize(bytes);
      assert.ok(size === undefined || (size.width > 0 && size.height > 0));
    }),
    { numRuns: 2000, seed: 1 },
  );
});

test("what does not fit is refused by the loops in C++: nothing outside the picture is read or written", () => {
  const { resample, changeColours } = pixels();
  const bytes = new Uint8Array(2 * 2 * 3);
  const taps = (first: number, count: number, weights = 2) =>
    [Int32Array.of(first), Int32Array.of(count), new Int32Array(weights)] as const;
  const fits = taps(0, 2);
  assert.equal(resample(bytes, 2, 2, ...fits, ...fits).length, 3);
  for (const wrong of [taps(1, 2), taps(-1, 2), taps(0, 3), taps(0, 0), taps(0, 2, 1), taps(2 ** 31 - 1, 1)]) {
    assert.throws(() => resample(bytes, 2, 2, ...wrong, ...fits), RangeError);
    assert.throws(() => resample(bytes, 2, 2, ...fits, ...wrong), RangeError);
  }
  assert.throws(() => resample(bytes, 2, 3, ...fits, ...fits), RangeError);
  assert.throws(() => resample(bytes, -2, -2, ...fits, ...fits), RangeError);
  assert.throws(() => resample(Int32Array.of(1) as never, 2, 2, ...fits, ...fits), TypeError);
  assert.throws(() => (resample as unknown as () => void)(), TypeError);

  const table = Uint8Array.of(1);
  changeColours(
    Uint8Array.of(0, 128, 255),
    Int32Array.of(9, 9, 2 ** 31 - 1, 5, 5, 5, 2 ** 31 - 1),
    table,
    table,
    table,
  );
  assert.throws(() => changeColours(bytes, new Int32Array(6), table, table, table), RangeError);
  assert.throws(() => changeColours(bytes, new Int32Array(7), table, new Uint8Array(2), table), RangeError);
  assert.throws(() => changeColours(bytes, new Int32Array(7), table, table, undefined as never), TypeError);
});
