/** Which engine computes an ONNX file in integers. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { once } from "node:events";
import { test } from "node:test";
import sharp from "sharp";
import { whyNoFastEngine } from "../../src/engine/engine.js";
import { loadClassifier } from "../../src/inference/classifier.js";
import { FastWhereSame } from "../../src/inference/fast-onnx-network.js";
import type { Network } from "../../src/inference/network.js";
import { cpuAddon } from "../../src/native/cpu/addon.js";
import { INPUT } from "../../src/onnx/export.js";
import { FastOnnx } from "../../src/onnx/fast/fast-onnx.js";
import { DATA_TYPE, encodeModel, type ModelProto } from "../../src/onnx/schema.js";
import { IntegerModel } from "../support/integer-network.js";
import { scratchFolder } from "../support/scratch-folder.js";

const at = scratchFolder("fast-onnx");
const hasFast =
  whyNoFastEngine({ device: "cpu", precision: "fp32" }) === undefined && cpuAddon()?.processor().exactBytes;
const FORMAT = { channels: 3, height: 1, width: 1, mean: [0.25, 0.5, 0.5], std: [0.5, 0.25, 0.125] };

/** Pictures of one pixel, 6 classes. */
function model(): ModelProto {
  const made = new IntegerModel();
  const images = made.rounded(INPUT, { scale: 0.05, zeroPoint: 120 });
  const weights = made.numbers(
    Int8Array.from({ length: 18 }, (_, i) => ((i * 37) % 255) - 127),
    [6, 3, 1, 1],
    new Float32Array(6).fill(0.01),
  );
  const ended = made.end(made.node("Conv", [images, weights]), 6, { scale: 0.07, zeroPoint: 100 });
  const about = {
    input_size: "[3, 1, 1]",
    mean: JSON.stringify(FORMAT.mean),
    std: JSON.stringify(FORMAT.std),
    crop_pct: "1",
  };
  const dim = [{ dim_param: "batch" }, ...[3, 1, 1].map((dim_value) => ({ dim_value }))];
  const input = [{ name: INPUT, type: { tensor_type: { elem_type: DATA_TYPE.float32, shape: { dim } } } }];
  const metadata_props = Object.entries(about).map(([key, value]) => ({ key, value }));
  return { ...ended, graph: { ...ended.graph, input }, metadata_props };
}

test("a file in integers: the probabilities are the fast engine's, for more pictures than go through at once", {
  skip: !hasFast,
}, async () => {
  writeFileSync(at("model.onnx"), encodeModel(model()));
  const colours = Array.from({ length: 40 }, (_, i) => [(i * 53) % 256, (i * 101) % 256, (i * 29) % 256] as const);
  const pictures = await Promise.all(
    colours.map((colour) =>
      sharp(Uint8Array.from(colour), { raw: { width: 1, height: 1, channels: 3 } })
        .png()
        .toBuffer(),
    ),
  );
  using classifier = loadClassifier(at("model.onnx"));
  using fast = FastOnnx.open(model(), FORMAT);
  const expected = fast.logits(Uint8Array.from(colours.flat()));
  let row = 0;
  for await (const { predictions = [] } of classifier.classifyAll(pictures, { top: 6 })) {
    const powers = Array.from(expected.subarray(6 * row, 6 * ++row), Math.exp);
    const sum = powers.reduce((a, b) => a + b);
    for (const { index, probability } of predictions) {
      assert.ok(
        Math.abs(probability - (powers[index] as number) / sum) < 1e-6,
        `picture ${row}, class ${index}: ${probability}`,
      );
    }
  }
  assert.equal(row, pictures.length);
});

/** A network that gives the same logits for every picture, and says what is done with it. */
class Constant implements Network {
  readonly format = {
    size: [1, 1],
    resize: "crop",
    cropPct: 1,
    interpolation: "bicubic",
    channels: 3,
    mean: [0.5, 0.5, 0.5],
    intensity: undefined,
  } as const;
  readonly batchSize = 16;
  readonly did: string[] = [];
  constructor(private readonly row: readonly number[]) {}
  async logits(pixels: Uint8Array): Promise<Float32Array> {
    this.did.push(`${pixels.length / 3} pictures`);
    return Float32Array.from(
      { length: (pixels.length / 3) * this.row.length },
      (_, i) => this.row[i % this.row.length] as number,
    );
  }
  async dispose(): Promise<void> {
    this.did.push("disposed");
  }
}

class Fast {
  readonly did: string[] = [];
  constructor(private readonly row: readonly number[]) {}
  logits(pixels: Uint8Array): Float32Array {
    this.did.push(`${pixels.length / 3} pictures`);
    return Float32Array.from(
      { length: (pixels.length / 3) * this.row.length },
      (_, i) => this.row[i % this.row.length] as number,
    );
  }
  dispose(): void {
    this.did.push("disposed");
  }
}

test("ONNX Runtime computes the first picture too, and is freed where the logits are near", async () => {
  const [fast, slow] = [new Fast([1, 2, 3]), new Constant([1.02, 2, 2.97])];
  const network = new FastWhereSame("model.onnx", fast, slow);
  assert.deepEqual([...(await network.logits(new Uint8Array(6)))], [1, 2, 3, 1, 2, 3]);
  await network.logits(new Uint8Array(3));
  await network.dispose();
  assert.deepEqual(slow.did, ["1 pictures", "disposed"]);
  assert.deepEqual(fast.did, ["1 pictures", "2 pictures", "1 pictures", "disposed"]);
});

test("it computes all where the fast engine's logits are others, or no numbers, and a warning says so", async () => {
  for (const wrong of [
    [3, 2, 1],
    [Number.NaN, 2, 3],
    [1, 2],
  ]) {
    const [fast, slow] = [new Fast(wrong), new Constant([1, 2, 3])];
    const network = new FastWhereSame("model.onnx", fast, slow);
    const warned = once(process, "warning");
    assert.deepEqual([...(await network.logits(new Uint8Array(3)))], [1, 2, 3]);
    assert.match(
      (await warned)[0].message,
      /^model\.onnx: computed by ONNX Runtime, since the fast engine's logits are not/,
    );
    await network.dispose();
    assert.deepEqual(
      [fast.did, slow.did],
      [
        ["1 pictures", "disposed"],
        ["1 pictures", "1 pictures", "disposed"],
      ],
    );
  }
});

test("one that was never used frees both", async () => {
  const [fast, slow] = [new Fast([1]), new Constant([1])];
  await new FastWhereSame("model.onnx", fast, slow).dispose();
  assert.deepEqual([fast.did, slow.did], [["disposed"], ["disposed"]]);
});
