import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type DataSource, type ImageSet, limitSet } from "../../../src/data/image-set.js";
import { openData } from "../../../src/data/sources/open.js";
import { InputError } from "../../../src/base/errors.js";

/** A data set of small images; photographs have tests of their own. */
function openImages(spec: string): DataSource {
  const source = openData(spec);
  assert.ok(!("kind" in source));
  return source;
}

let scratch = "";
before(() => {
  scratch = mkdtempSync(join(tmpdir(), "knack-data-"));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A fresh folder that holds these files. */
function folder(files: Record<string, Uint8Array | string>): string {
  const path = mkdtempSync(join(scratch, "set-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** Opening the data is refused: an InputError of one line that matches every pattern. */
function refuses(spec: string, ...patterns: RegExp[]): void {
  assert.throws(
    () => openImages(spec),
    (error) => {
      assert(error instanceof InputError, `not an InputError: ${error}`);
      assert.equal(error.exitCode, 2);
      assert.doesNotMatch(error.message, /\n/);
      for (const pattern of patterns) assert.match(error.message, pattern);
      return true;
    },
  );
}

// Two images of 2x3 (rows x columns) for training, one for validation: every byte of the format written out.
const TRAIN_IMAGES = Uint8Array.of(
  0,
  0,
  8,
  3,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  2,
  0,
  0,
  0,
  3,
  0,
  51,
  102,
  153,
  204,
  255,
  1,
  2,
  3,
  4,
  5,
  6,
);
const TRAIN_LABELS = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 2, 0);
const TEST_IMAGES = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 8, 7, 6, 5, 4);
const TEST_LABELS = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 1);
const IDX = {
  "train-images-idx3-ubyte": TRAIN_IMAGES,
  "train-labels-idx1-ubyte": TRAIN_LABELS,
  "t10k-images-idx3-ubyte": TEST_IMAGES,
  "t10k-labels-idx1-ubyte": TEST_LABELS,
};

function changed(file: Uint8Array, at: number, value: number): Uint8Array {
  const copy = file.slice();
  copy[at] = value;
  return copy;
}

/** A CIFAR record whose pixel (row, column) is (red, green, blue) = (row, column, blue). */
function cifarRecord(labels: number[], blue: number): Uint8Array {
  const pixels = Array.from({ length: 1024 }, (_, i) => i);
  return Uint8Array.of(
    ...labels,
    ...pixels.map((i) => i >> 5),
    ...pixels.map((i) => i & 31),
    ...pixels.map(() => blue),
  );
}

const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

describe("MNIST-style IDX folders", () => {
  test("reads plain, gzip and dotted names alike", () => {
    const spellings: ((name: string, bytes: Uint8Array) => [string, Uint8Array])[] = [
      (name, bytes) => [name, bytes],
      (name, bytes) => [`${name}.gz`, gzipSync(bytes)],
      (name, bytes) => [name.replace("-idx", ".idx"), bytes],
      (name, bytes) => [`${name.replace("-idx", ".idx")}.gz`, bytes], // unpacked by the browser, name kept
    ];
    for (const spell of spellings) {
      const { train, validation } = openImages(
        folder(Object.fromEntries(Object.entries(IDX).map(([n, b]) => spell(n, b)))),
      );
      assert.deepEqual([train.count, train.height, train.width, train.channels], [2, 2, 3, 1]);
      assert.deepEqual([...train.pixels], [0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]);
      assert.deepEqual([...train.labels], [2, 0]);
      assert.deepEqual(train.classes, ["0", "1", "2"]);
      assert.deepEqual([...validation.pixels], [9, 8, 7, 6, 5, 4]);
      assert.deepEqual([...validation.labels], [1]);
      assert(train.pixels.buffer instanceof SharedArrayBuffer && train.labels.buffer instanceof SharedArrayBuffer);
    }
  });

  test("both splits carry the mean and std of the training pixels on 0..1", () => {
    // Python: statistics.fmean and statistics.pstdev of the bytes / 255
    const { train, validation } = openImages(folder(IDX));
    for (const set of [train, validation]) {
      assert(Math.abs((set.mean[0] ?? 0) - 0.25686274509803925) < 1e-12);
      assert(Math.abs((set.std[0] ?? 0) - 0.3427411345697458) < 1e-12);
    }
  });

  test("a constant channel does not make a division by zero", () => {
    const flat = TRAIN_IMAGES.slice().fill(7, 16);
    assert.deepEqual(openImages(folder({ ...IDX, "train-images-idx3-ubyte": flat })).train.std, [1]);
  });

  test("damaged and mismatched files are refused", () => {
    const images = "train-images-idx3-ubyte";
    const labels = "train-labels-idx1-ubyte";
    const gzip = gzipSync(TRAIN_IMAGES);
    const cases: [Record<string, Uint8Array>, RegExp][] = [
      [{ [images]: TRAIN_IMAGES.slice(0, -1) }, /train-images-idx3-ubyte is cut short.*2 x 2 x 3/],
      [{ [images]: joined(TRAIN_IMAGES, Uint8Array.of(0)) }, /train-images-idx3-ubyte has bytes too many/],
      [{ [images]: TRAIN_IMAGES.slice(0, 9) }, /cut short inside its header/],
      [{ [images]: new Uint8Array() }, /is not an IDX file/],
      [{ [images]: changed(TRAIN_IMAGES, 2, 13) }, /is not an IDX file of bytes/], // 13 = float32
      [{ [images]: TRAIN_LABELS }, /train-images-idx3-ubyte holds labels, but IDX images .* expected/],
      [{ [labels]: TRAIN_IMAGES }, /train-labels-idx1-ubyte holds images, but IDX labels .* expected/],
      [{ [labels]: TEST_LABELS }, /holds 2 images, but .*train-labels-idx1-ubyte 1 labels/],
      [{ [images]: changed(TRAIN_IMAGES, 7, 0).slice(0, 16) }, /holds no images/],
      [{ [images]: gzip.subarray(0, -10) }, /damaged gzip \(.*\): fetch the file again/],
      [{ [images]: changed(gzip, gzip.length - 6, 0x55) }, /damaged gzip/],
      [
        { "t10k-labels-idx1-ubyte": changed(TEST_LABELS, 8, 3) },
        /t10k-labels.*label 3 of image 0 is out of range.*0 to 2/,
      ],
      [
        { "t10k-images-idx3-ubyte": joined(changed(changed(TEST_IMAGES, 11, 3), 15, 2)) },
        /images of 3x2, but .* of 2x3/,
      ],
    ];
    for (const [files, message] of cases) refuses(folder({ ...IDX, ...files }), message);
  });

  test("a missing file is named", () => {
    const { "t10k-labels-idx1-ubyte": _, ...rest } = IDX;
    refuses(folder(rest), /has no t10k-labels-idx1-ubyte \(or t10k-labels-idx1-ubyte\.gz\)/);
  });

  test("a folder where a file should be is refused", () => {
    const { "train-images-idx3-ubyte": _, ...rest } = IDX;
    refuses(folder({ ...rest, "train-images-idx3-ubyte/x": "" }), /cannot read the data: EISDIR/);
  });
});

describe("Fashion-MNIST", () => {
  test("is the published data set", () => {
    const started = performance.now();
    const { train, validation, description } = openImages("fashion-mnist");
    assert(performance.now() - started < 5000, "opening takes seconds");
    assert.deepEqual([train.count, validation.count], [60000, 10000]);
    assert.deepEqual([train.height, train.width, train.channels], [28, 28, 1]);
    assert.equal(train.labels[0], 9);
    assert.equal(train.classes[9], "Ankle boot");
    assert.equal(train.mean[0]?.toFixed(4), "0.2860");
    assert.equal(train.std[0]?.toFixed(4), "0.3530");
    for (const { labels } of [train, validation]) {
      const perClass = new Array(10).fill(0);
      for (const label of labels) perClass[label]++;
      assert.deepEqual(perClass, new Array(10).fill(labels.length / 10));
    }
    assert.match(
      description,
      /^fashion-mnist: 60,000 training and 10,000 validation images, 28x28x1, 10 classes, from /,
    );
  });

  test("says how to install it, and refuses labels that it does not have", (t) => {
    const previous = process.env.KNACK_FASHION_MNIST;
    t.after(() => {
      if (previous === undefined) delete process.env.KNACK_FASHION_MNIST;
      else process.env.KNACK_FASHION_MNIST = previous;
    });
    process.env.KNACK_FASHION_MNIST = join(scratch, "nowhere");
    refuses("fashion-mnist", /nowhere/, /npm run setup/, /apt-get install dataset-fashion-mnist/);
    process.env.KNACK_FASHION_MNIST = folder({ ...IDX, "train-labels-idx1-ubyte": changed(TRAIN_LABELS, 9, 10) });
    refuses("fashion-mnist", /train-labels.*label 10 of image 1 is out of range, fashion-mnist has the classes 0 to 9/);
    process.env.KNACK_FASHION_MNIST = folder(IDX);
    assert.equal(openImages("fashion-mnist").train.name, "fashion-mnist train");
  });
});

describe("CIFAR binary folders", () => {
  test("CIFAR-10: planes become RGB pixels, files follow each other in natural order", () => {
    const { train, validation } = openImages(
      folder({
        "data_batch_10.bin": cifarRecord([3], 30),
        "data_batch_2.bin": joined(cifarRecord([9], 10), cifarRecord([0], 20)),
        "test_batch.bin": cifarRecord([5], 40),
        "test_batch_extra.bin": cifarRecord([6], 50), // not read beside the official one
      }),
    );
    assert.deepEqual([...train.labels], [9, 0, 3]);
    assert.deepEqual([train.count, train.height, train.width, train.channels], [3, 32, 32, 3]);
    const pixel = (set: ImageSet, image: number, row: number, column: number) => {
      const at = ((image * 32 + row) * 32 + column) * 3;
      return [...set.pixels.subarray(at, at + 3)];
    };
    assert.deepEqual(pixel(train, 0, 0, 1), [0, 1, 10]);
    assert.deepEqual(pixel(train, 1, 31, 30), [31, 30, 20]);
    assert.deepEqual(pixel(train, 2, 7, 0), [7, 0, 30]);
    assert.deepEqual(pixel(validation, 0, 2, 5), [2, 5, 40]);
    assert.deepEqual([...validation.labels], [5]);
    assert.equal(train.classes[9], "truck");
    assert(Math.abs((train.mean[0] ?? 0) - 15.5 / 255) < 1e-12);
    assert(Math.abs((train.std[1] ?? 0) - Math.sqrt((32 ** 2 - 1) / 12) / 255) < 1e-12); // of 0..31
    assert(Math.abs((train.mean[2] ?? 0) - 20 / 255) < 1e-12);
  });

  test("a test file under another name is taken where there is no test_batch.bin", () => {
    const path = folder({ "data_batch_1.bin": cifarRecord([1], 0), "test_batch_part.bin": cifarRecord([2], 0) });
    assert.deepEqual([...openImages(path).validation.labels], [2]);
  });

  test("class names come from batches.meta.txt", () => {
    const files = { "data_batch_1.bin": cifarRecord([1], 0), "test_batch.bin": cifarRecord([2], 0) };
    assert.deepEqual(openImages(folder({ ...files, "batches.meta.txt": "a\nb\r\nc\n\n" })).train.classes, [
      "a",
      "b",
      "c",
    ]);
    refuses(folder({ ...files, "batches.meta.txt": "a\nb\n" }), /test_batch.bin: label 2 of record 0 .* 0 to 1/);
    refuses(folder({ ...files, "batches.meta.txt": "\n" }), /batches.meta.txt names no class/);
  });

  test("CIFAR-100: the fine label is the class", () => {
    const files = { "train.bin": cifarRecord([19, 99], 1), "test.bin": cifarRecord([4, 0], 2) };
    const { train, validation } = openImages(folder(files));
    assert.deepEqual([[...train.labels], [...validation.labels]], [[99], [0]]);
    assert.deepEqual([train.classes.length, train.classes[99]], [100, "99"]);
    assert.deepEqual([...train.pixels.subarray(0, 6)], [0, 0, 1, 0, 1, 1]);
    const names = Array.from({ length: 100 }, (_, i) => `name ${i}`).join("\n");
    assert.equal(openImages(folder({ ...files, "fine_label_names.txt": names })).train.classes[99], "name 99");
  });

  test("missing and damaged files are refused", () => {
    const good = { "data_batch_1.bin": cifarRecord([1], 0), "test_batch.bin": cifarRecord([2], 0) };
    refuses(
      folder({ "data_batch_1.bin": good["data_batch_1.bin"] }),
      /no test file of cifar10: expected .*test_batch\.bin/,
    );
    refuses(folder({ "train.bin": cifarRecord([1, 1], 0) }), /no test file of cifar100: expected .*test\.bin/);
    refuses(
      folder({ "test_batch.bin": good["test_batch.bin"] }),
      /no training file of CIFAR: expected data_batch_\*\.bin/,
    );
    refuses(
      folder({ ...good, "data_batch_1.bin": good["data_batch_1.bin"].slice(1) }),
      /data_batch_1.bin has 3072 bytes.*3073/,
    );
    refuses(folder({ ...good, "test_batch.bin": "" }), /test_batch.bin has 0 bytes/);
    refuses(
      folder({ ...good, "test_batch.bin": cifarRecord([10], 0) }),
      /test_batch.bin: label 10 of record 0 .* 0 to 9/,
    );
  });
});

describe("openData", () => {
  test("what is not understood is refused, with what is", () => {
    const understood = /understood are "fashion-mnist", .*IDX.*CIFAR-10/;
    refuses("fashion-minst", /no data set or folder "fashion-minst"/, understood);
    refuses("", understood);
    refuses(folder({}), /holds no data set that is understood/, understood);
    refuses(join(folder({ "notes.txt": "" }), "notes.txt"), /is a file, not a folder/, understood);
    refuses("bad\0name", /cannot read the data/);
  });

  test("limitSet takes the first images", () => {
    const { train } = openImages(folder(IDX));
    const one = limitSet(train, 1);
    assert.deepEqual([one.count, [...one.labels], [...one.pixels]], [1, [2], [0, 51, 102, 153, 204, 255]]);
    assert.equal(one.pixels.buffer, train.pixels.buffer);
    for (const count of [0, 3, 1.5]) assert.throws(() => limitSet(train, count), InputError);
  });
});
