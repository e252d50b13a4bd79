/** What of a data set is used: a training file held out for validation, a share of each class, and a run that goes on with both. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import type { DataSource } from "../../../src/data/image-set.js";
import { openData } from "../../../src/data/sources/open.js";
import { photoName } from "../../../src/data/photos/photo-locations.js";
import type { PhotoSource } from "../../../src/data/photos/photo-set.js";
import { type ResumeOptions, type TrainOptions, train } from "../../../src/run/train.js";
import { inputError } from "../../support/input-error.js";
import { writeTinyData } from "../../support/tiny-data.js";

process.env.OMP_NUM_THREADS = "1";

const scratch = mkdtempSync(join(tmpdir(), "knack-selection-"));
after(() => rmSync(scratch, { recursive: true }));

/** CIFAR-10 files by name, of images with these labels. */
function cifar(name: string, files: Record<string, readonly number[]>): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const [file, labels] of Object.entries(files)) {
    const records = labels.map((label) => Buffer.concat([Buffer.of(label), Buffer.alloc(3072, 10 * label)]));
    writeFileSync(join(folder, file), Buffer.concat(records));
  }
  return folder;
}

const images = (source: DataSource | PhotoSource): DataSource => {
  assert.ok(!("kind" in source));
  return source;
};

const batches = cifar("batches", {
  "data_batch_1.bin": [1, 2],
  "data_batch_2.bin": [3],
  "data_batch_5.bin": [4, 5, 6],
  "test_batch.bin": [7],
});

test("a CIFAR training file is held out, and the test file left alone", () => {
  const { train, validation, description } = images(openData(batches, { holdOut: "data_batch_5.bin" }));
  assert.deepEqual([...train.labels], [1, 2, 3]);
  assert.deepEqual([...validation.labels], [4, 5, 6]);
  assert.match(description, /data_batch_5\.bin held out/);
  assert.ok(Math.abs((train.mean[0] ?? 0) - 20 / 255) < 1e-12, "normalised by what is trained on");
  const withoutTest = cifar("no-test", { "data_batch_1.bin": [1], "data_batch_2.bin": [2] });
  assert.deepEqual([...images(openData(withoutTest, { holdOut: "data_batch_1.bin" })).train.labels], [2]);
});

test("what cannot be held out", () => {
  const holdOut = (folder: string, file: string) => () => openData(folder, { holdOut: file });
  assert.throws(
    holdOut(batches, "data_batch_6.bin"),
    inputError(/--hold-out: .*no training file "data_batch_6\.bin"; did you mean/),
  );
  assert.throws(holdOut(batches, "test_batch.bin"), inputError(/no training file "test_batch\.bin"/));
  const one = cifar("one", { "data_batch_1.bin": [1], "test_batch.bin": [2] });
  assert.throws(holdOut(one, "data_batch_1.bin"), inputError(/only training file/));
  assert.throws(holdOut(writeTinyData(join(scratch, "idx")), "x"), inputError(/--hold-out: .* is no folder of CIFAR/));
});

test("a share has its part of each class, and is within a larger share", () => {
  const data = writeTinyData(join(scratch, "tiny"), { train: 200 });
  const whole = images(openData(data));
  const share = (trainShare: number) => images(openData(data, { trainShare }));
  const [quarter, half] = [share(0.25), share(0.5)];
  assert.deepEqual([quarter.train.count, half.train.count, half.validation.count], [50, 100, 64]);
  for (let label = 0; label < 10; label++) {
    assert.equal(quarter.train.labels.filter((each) => each === label).length, 5);
  }
  const pictures = ({ train }: DataSource) => {
    const bytes = train.height * train.width;
    return Array.from(train.labels, (label, i) =>
      [label, Buffer.from(train.pixels.subarray(i * bytes, (i + 1) * bytes)).toString("base64")].join(),
    );
  };
  const isWithin = (smaller: DataSource, larger: DataSource) => {
    const all = new Set(pictures(larger));
    return pictures(smaller).every((picture) => all.has(picture));
  };
  assert.ok(isWithin(quarter, half) && isWithin(half, whole), "labels stay with their images");
  assert.deepEqual(quarter.train.mean, whole.train.mean, "normalised as the whole");
  assert.match(quarter.description, /50 of the training images are used/);
  assert.deepEqual(share(0.25).train.labels, quarter.train.labels);
  for (const wrong of [0, -1, 1.5, Number.NaN])
    assert.throws(() => share(wrong), inputError(/--train-share: must be above 0/));
});

test("a share of photographs keeps names and labels together", () => {
  const folder = join(scratch, "photos");
  for (const [split, count] of [
    ["train", 8],
    ["val", 2],
  ] as const) {
    for (const name of ["ant", "bee"]) {
      for (let i = 0; i < count; i++) {
        const file = join(folder, split, name, `${i}.jpg`);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, "");
      }
    }
  }
  const source = openData(folder, { trainShare: 0.5 });
  assert.ok("kind" in source);
  const { train, validation } = source;
  assert.deepEqual([train.count, validation.count], [8, 4]);
  for (const [index, label] of train.labels.entries()) {
    assert.match(photoName(train.locations, index), new RegExp(`${train.classes[label]}/\\d\\.jpg$`));
  }
});

test("a run keeps its selection when it goes on", async () => {
  const cycle = (count: number) => Array.from({ length: count }, (_, i) => i % 10);
  const data = cifar("run", { "data_batch_1.bin": cycle(40), "data_batch_2.bin": cycle(20) });
  const recipe = { model: "resnet20", modelOptions: { width: 2 }, batchSize: 10, epochs: 2 };
  const out = join(scratch, "run-out");
  const described: string[] = [];
  const follow = async (options: TrainOptions | ResumeOptions, stopAt?: number) => {
    for await (const event of train(options)) {
      if (event.type === "audit") described.push(event.data);
      if (event.type === "step" && event.step === stopAt) break;
    }
  };
  await follow({ data, holdOut: "data_batch_2.bin", trainShare: 0.5, recipe, out }, 3);
  const saved = JSON.parse(readFileSync(join(out, "data.json"), "utf8"));
  assert.deepEqual([saved.source, saved.holdOut, saved.trainShare], [data, "data_batch_2.bin", 0.5]);
  await follow({ resume: out });
  assert.equal(described[0], described[1]);
  assert.match(
    described[1] ?? "",
    /40 training and 20 validation .*data_batch_2\.bin held out; 20 of the training images are used/,
  );
  const memory = images(openData(data, { holdOut: "data_batch_2.bin" }));
  await assert.rejects(follow({ data: memory, trainShare: 0.5, recipe }), inputError(/images given in memory/));
});
