/** `loadClassifier` and `knack predict`: the numbers of a model computed by hand, in every form, whatever the files are. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import sharp from "sharp";
import { evaluationPixels } from "../../src/data/pictures/evaluation-transform.js";
import { prepareImages } from "../../src/training/prepare-images.js";
import { KnackError } from "../../src/base/errors.js";
import { type Classified, loadClassifier, type Prediction } from "../../src/inference/classifier.js";
import { createModel } from "../../src/models/registry.js";
import { addon } from "../../src/native/torch/addon.js";
import { xavierUniform } from "../../src/nn/initialise.js";
import { stateDict } from "../../src/nn/state-dict.js";
import { exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { mulScalarInPlace, softmax } from "../../src/tensor/ops.js";
import { randomFor } from "../../src/tensor/random.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { saveCheckpoint } from "../../src/weights/checkpoint.js";
import { lookOf } from "../../src/weights/config.js";
import { loadModel } from "../../src/weights/load-model.js";
import { inputError } from "../support/input-error.js";
import { runPython } from "../support/oracle.js";

addon.setThreads(1);
process.env.OMP_NUM_THREADS = "1";

const scratch = mkdtempSync(join(tmpdir(), "knack-predict-"));
const at = (...path: string[]) => join(scratch, ...path);
after(() => rmSync(scratch, { recursive: true, force: true }));

const HOSTILE = ['comma, "quote"', "two\nlines", "\u001b[31mred", "=1+1", "ünïcödé 🐟", "", "plain"];

function writeCheckpoint(name: string, channels: 1 | 3): string {
  using model = createModel("resnet18_small", { classes: 7, inChannels: channels }, { width: 4 });
  xavierUniform(model, 1);
  // Logits far enough apart for a wrong pixel to show.
  for (const [name, tensor] of model.state()) if (name === "fc.weight") noGradient(() => mulScalarInPlace(tensor, 30));
  saveCheckpoint(at(name), {
    weights: stateDict(model),
    config: {
      architecture: "resnet18_small",
      num_classes: 7,
      in_chans: channels,
      input_size: [channels, 32, 32],
      mean: [0.4, 0.5, 0.6].slice(0, channels),
      std: [0.2, 0.25, 0.3].slice(0, channels),
      interpolation: "bilinear",
      crop_pct: 0.9,
      label_names: HOSTILE,
      model_options: { width: 4 },
    },
  });
  return at(name);
}

async function writePicture(file: string, seed: number): Promise<string> {
  const [width, height] = [50 + seed, 40];
  const random = randomFor(seed, "predict-test");
  const colour = [random.integer(256), random.integer(256), random.integer(256)];
  const pixels = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => ((colour[i % 3] ?? 0) + random.integer(99)) / 1.4,
  );
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(file);
  return file;
}

const checkpoint = writeCheckpoint("model", 3);
mkdirSync(at("photos", "deep", ".hidden"), { recursive: true });
for (const [i, name] of ["p10.png", "p2.png", "p1.PNG", "deep/a[1].png", 'deep/ü ,"x.png', ".secret.png"].entries()) {
  await writePicture(at("photos", name), i);
}
await writePicture(at("photos/deep/.hidden/x.png"), 9);
writeFileSync(at("photos", "notes.txt"), "not a picture");
symlinkSync("..", at("photos", "deep", "circle"));
const IN_ORDER = ["deep/a[1].png", 'deep/ü ,"x.png', "p1.PNG", "p2.png", "p10.png"].map((name) => join("photos", name));

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The probabilities, computed by hand. */
async function byHand(path: string, image: string): Promise<number[]> {
  const { model, config, format } = loadModel(path, "cpu");
  const { in_chans: channels, mean } = config;
  const pixels = await evaluationPixels(image, {
    ...lookOf(config),
    size: [format.height, format.width],
    channels,
    mean,
  });
  const probabilities = scope(() =>
    noGradient(() => softmax(model.forward(prepareImages(pixels, format, "cpu")), 1).toArray()),
  );
  model.dispose();
  return probabilities;
}

function assertClose(predictions: readonly Prediction[], expected: readonly number[]): void {
  assert.equal(predictions.length, expected.length);
  for (const [rank, { index, probability }] of predictions.entries()) {
    assert.ok(Math.abs(probability - (expected[index] ?? Number.NaN)) < 1e-5, `${index}: ${probability}`);
    assert.ok(probability <= (predictions[rank - 1]?.probability ?? 1));
  }
}

describe("loadClassifier", () => {
  test("gives the probabilities of the model, likeliest first, from paths and bytes, and frees its tensors", async () => {
    for (const path of [checkpoint, join(checkpoint, "model.safetensors"), writeCheckpoint("grey", 1)]) {
      const before = liveTensors();
      {
        using classifier = loadClassifier(path);
        assert.deepEqual(classifier.classes, HOSTILE);
        const image = at("photos/p2.png");
        const predictions = await classifier.classify(image, { top: 99 });
        assertClose(predictions, await byHand(path, image));
        for (const { class: name, index } of predictions) assert.equal(name, HOSTILE[index]);
        assert.deepEqual(await classifier.classify(readFileSync(image), { top: 3 }), predictions.slice(0, 3));
        assert.equal((await classifier.classify(image)).length, 5);
        await new Promise(setImmediate);
      }
      await new Promise(setImmediate);
      assert.equal(liveTensors(), before);
    }
  });

  test("classifies many in their order, and the unreadable stop none", async () => {
    using classifier = loadClassifier(checkpoint);
    const good = IN_ORDER.map((name) => at(name));
    const images = Array.from({ length: 40 }, (_, i) =>
      i % 7 === 3 ? at(`missing ${i}.png`) : (good[i % 5] as string),
    );
    const expected = await Promise.all(good.map((image) => byHand(checkpoint, image)));
    const results = await all(classifier.classifyAll(images, { top: 7 }));
    assert.deepEqual(
      results.map(({ image }) => image),
      images,
    );
    for (const { image, predictions, error } of results) {
      if (image.includes("missing")) inputError(/cannot read .*missing \d+\.png: no such file/)(error);
      else assertClose(predictions ?? [], expected[good.indexOf(image)] ?? []);
    }
  });

  test("takes no more pictures than it needs, and can be left", async () => {
    using classifier = loadClassifier(checkpoint);
    let taken = 0;
    let closed = false;
    async function* endless() {
      try {
        for (;;) yield at(IN_ORDER[taken++ % 5] as string);
      } finally {
        closed = true;
      }
    }
    let first: Classified | undefined;
    for await (const result of classifier.classifyAll(endless())) {
      first = result;
      break;
    }
    assert.equal(first?.image, at("photos/deep/a[1].png"));
    assert.ok(taken <= 32 && closed, `${taken}`);
  });

  test("says what is wrong", async () => {
    assert.throws(() => loadClassifier(at("nothing")), inputError(/nothing/));
    assert.throws(() => loadClassifier(at("nothing.onnx")), inputError(/nothing\.onnx/));
    const classifier = loadClassifier(checkpoint);
    await assert.rejects(classifier.classify(at("photos")), inputError(/photos is a folder/));
    await assert.rejects(classifier.classify(at("photos/p2.png"), { top: 0 }), inputError(/top: must be an integer/));
    classifier.dispose();
    await assert.rejects(classifier.classify(at("photos/p2.png")), KnackError);
  });
});

describe("ONNX files", () => {
  test("knack's own give the checkpoint's predictions", async () => {
    for (const path of [checkpoint, writeCheckpoint("grey", 1)]) {
      const file = `${path}.onnx`;
      await exportCheckpoint(path, file, { foldBatchNorm: true });
      using classifier = loadClassifier(file);
      assert.deepEqual(classifier.classes, HOSTILE);
      for (const { image, predictions } of await all(
        classifier.classifyAll(
          IN_ORDER.map((name) => at(name)),
          { top: 9 },
        ),
      )) {
        assertClose(predictions ?? [], await byHand(path, image));
      }
    }
  });

  test("those of other programs: ImageNet's preprocessing, numbers for names, logits or probabilities", async () => {
    const pictures = IN_ORDER.slice(0, 2).map((name) => at(name));
    const format = {
      height: 224,
      width: 224,
      channels: 3,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    } as const;
    const transform = {
      size: [224, 224],
      resize: "crop",
      cropPct: 0.875,
      interpolation: "bicubic",
      channels: 3,
      mean: [0.5, 0.5, 0.5],
    } as const;
    const pixels = Buffer.concat(await Promise.all(pictures.map((picture) => evaluationPixels(picture, transform))));
    writeFileSync(
      at("images.f32"),
      scope(() => prepareImages(pixels, format, "cpu").bytes()),
    );
    const expected: number[][] = JSON.parse(runPython("foreign_onnx.py", scratch, at("images.f32")));
    for (const name of ["logits.onnx", "softmax.onnx"]) {
      using classifier = loadClassifier(at(name));
      assert.deepEqual(classifier.classes, []);
      const results = await all(classifier.classifyAll(pictures, { top: 7 }));
      for (const [i, { predictions = [] }] of results.entries()) {
        assertClose(predictions, expected[i] ?? []);
        assert.ok(predictions.every((one) => one.class === `${one.index}`));
      }
    }
    await assert.rejects(
      loadClassifier(at("flat.onnx")).classify(pictures[0] as string),
      inputError(/classifies no pictures/),
    );
    assert.throws(() => loadClassifier(at("logits.onnx"), { device: "cuda" }), inputError(/on the cpu only/));
    writeFileSync(at("cut.onnx"), readFileSync(at("logits.onnx")).subarray(0, 500));
    await assert.rejects(
      async () => loadClassifier(at("cut.onnx")).classify(pictures[0] as string),
      inputError(/cut\.onnx/),
    );
  });
});

describe("knack predict", () => {
  const main = new URL("../../src/cli/main.js", import.meta.url).href;
  function knack(...args: string[]) {
    const program = `import(${JSON.stringify(main)}).then(({ main }) => main(["node", "knack", ...process.argv.slice(1)]))`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["-e", program, "--", "predict", ...args], {
      cwd: scratch,
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  }

  test("prints JSON, as files, folders and patterns are given", async () => {
    const { status, stdout, stderr } = knack("model", "photos/p2.png", "photos", "photos/p*.{png,PNG}", "--json");
    assert.deepEqual([status, stderr], [0, ""]);
    const results: { image: string; predictions: Prediction[] }[] = JSON.parse(stdout);
    assert.deepEqual(
      results.map(({ image }) => image),
      ["photos/p2.png", ...IN_ORDER, ...IN_ORDER.slice(2)],
    );
    for (const result of results) {
      assert.deepEqual(Object.keys(result), ["image", "predictions"]);
      assert.equal(result.predictions.length, 5);
      for (const one of result.predictions) assert.deepEqual(Object.keys(one), ["class", "index", "probability"]);
    }
    const expected = await byHand(checkpoint, at("photos/p2.png"));
    for (const { class: name, index, probability } of results[0]?.predictions ?? []) {
      assert.ok(name === HOSTILE[index] && Math.abs(probability - (expected[index] ?? Number.NaN)) < 1e-5);
    }
    // A name that looks like a pattern is a name where there is such a file.
    const named = JSON.parse(knack("model", "photos/deep/a[1].png", "--json", "--top", "1").stdout);
    assert.deepEqual([named.length, named[0].image, named[0].predictions.length], [1, "photos/deep/a[1].png", 1]);
  });

  test("prints CSV that a reader of CSV gets back, and text that cannot move the cursor", () => {
    const { status, stdout } = knack("model", "photos", "--csv", "--top", "7");
    assert.equal(status, 0);
    const rows = parseCsv(stdout);
    assert.deepEqual(rows[0], ["image", "rank", "class", "index", "probability"]);
    assert.equal(rows.length, 1 + 5 * 7);
    for (const [i, [image, rank, name, index]] of rows.slice(1).entries()) {
      assert.equal(image, IN_ORDER[Math.floor(i / 7)]);
      assert.equal(Number(rank), (i % 7) + 1);
      assert.equal(name, HOSTILE[Number(index)]);
    }
    const text = knack("model", "photos/p2.png", "--top", "9").stdout;
    assert.match(text, /^photos\/p2\.png\n( {1,6}\d+\.\d\d % {2}.*\n){7}$/);
    assert.match(text, /two\\u\{a\}lines/);
    assert.match(text, /\\u\{1b\}\[31mred/);
  });

  test("classifies the others where pictures cannot be read, says which and why, and ends with 1", () => {
    mkdirSync(at("mixed"), { recursive: true });
    cpSync(at("photos/p2.png"), at("mixed/good.png"));
    writeFileSync(at("mixed/cut.png"), readFileSync(at("photos/p1.PNG")).subarray(0, 900));
    writeFileSync(at("mixed/empty.jpg"), "");
    symlinkSync("nowhere", at("mixed/link.png"));
    const { status, stdout, stderr } = knack("model", "gone.png", "mixed", "--json");
    assert.equal(status, 1);
    assert.deepEqual(
      JSON.parse(stdout).map(({ image }: { image: string }) => image),
      ["mixed/good.png"],
    );
    const lines = stderr.trimEnd().split("\n");
    assert.equal(lines.length, 5, stderr);
    assert.match(lines[0] ?? "", /^knack: cannot read gone\.png: no such file or directory$/);
    assert.match(lines[1] ?? "", /^knack: mixed\/cut\.png is cut off or broken$/);
    assert.match(lines[2] ?? "", /^knack: mixed\/empty\.jpg is empty$/);
    assert.match(lines[3] ?? "", /^knack: cannot read mixed\/link\.png: /);
    assert.equal(lines[4], "knack: 4 of 5 pictures could not be read");
    const none = knack("model", "mixed/empty.jpg", "--json");
    assert.deepEqual([none.status, JSON.parse(none.stdout)], [1, []]);
  });

  test("refuses what makes no sense, in one line, with 2", () => {
    mkdirSync(at("nothing here"), { recursive: true });
    const bad: [string[], RegExp][] = [
      [["model", "nothing here"], /no pictures in nothing here/],
      [["model", "photos/*.bmp"], /nothing matches photos\/\*\.bmp/],
      [["model", "photos", "--top", "0"], /--top: must be an integer of 1 or more, not "0"/],
      [["model", "photos", "--top", "two"], /--top: /],
      [["model", "photos", "--json", "--csv"], /--json.*cannot be used with.*--csv/],
      [["model"], /images/],
      [["photos", "photos"], /photos/],
      [["gone.onnx", "photos"], /gone\.onnx/],
    ];
    for (const [args, message] of bad) {
      const { status, stdout, stderr } = knack(...args);
      assert.match(stderr, message);
      assert.deepEqual([status, stdout, stderr.trimEnd().split("\n").length], [2, "", 1], stderr);
    }
  });
});

/** Records of RFC 4180. */
function parseCsv(text: string): string[][] {
  const fields = text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g);
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of fields) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
    if (end === "\n") rows.push([]);
  }
  return rows.slice(0, -1);
}
