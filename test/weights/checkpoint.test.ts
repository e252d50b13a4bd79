/** What is no checkpoint, and checkpoints whose weights are broken: whatever takes one says what is wrong and what to do. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { loadClassifier } from "../../src/index.js";
import { exportCheckpoint } from "../../src/onnx/export-checkpoint.js";
import { rawTensor } from "../../src/nn/state-dict.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { toDType } from "../../src/tensor/ops.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { checkpointConfig } from "../../src/run/checkpoint-config.js";
import { loadCheckpoint, saveCheckpoint } from "../../src/weights/checkpoint.js";
import type { CheckpointConfig } from "../../src/weights/config.js";
import { importWeights } from "../../src/weights/import-weights.js";
import { encodeSafetensors } from "../../src/weights/safetensors/safetensors.js";
import { inputError } from "../support/input-error.js";
import { batchOf } from "../support/random-data.js";
import { BATCH, four, scratchFolder, session, tiny, trainerOf } from "../support/tiny-training.js";

const at = scratchFolder("checkpoint");
let weights: ReadonlyMap<string, RawTensor>;
let config: CheckpointConfig;

before(() => {
  using trainer = trainerOf({});
  trainer.step(batchOf(four, BATCH, 0), 0);
  weights = trainer.weights();
  config = checkpointConfig(trainer, { epoch: 1, step: 4, evaluation: null });
  saveCheckpoint(at("good"), { weights, config });
});

/** Everything that takes a checkpoint, by the name of its path. */
const takers: Readonly<Record<string, (path: string) => unknown>> = {
  predict: (path) => loadClassifier(path).classify(Buffer.from(PIXEL, "base64")),
  eval: (path) => evaluateCheckpoint(path, [four.validation]),
  export: (path) => exportCheckpoint(path, at("never.onnx"), { foldBatchNorm: true }),
  teacher: (path) => session({ data: four, recipe: tiny({ distillation: { teacher: path } }), out: at("never") }, 1),
};
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

test("a file where a checkpoint is wanted: what to give", async () => {
  mkdirSync(at("lone"));
  const files: [name: string, message: RegExp][] = [
    ["w.pth", /w\.pth is no checkpoint: make a checkpoint of it by knack import \S+w\.pth --model NAME/],
    ["lone/w.safetensors", /w\.safetensors has no config\.json beside it.* knack import /],
    ["picture.jpg", /picture\.jpg is no checkpoint: it is a file; give a checkpoint's folder, a run's folder or /],
    ["recipe.json", /recipe\.json is no checkpoint: it is a file; give /],
    ["net.onnx", /net\.onnx is no checkpoint: an ONNX file is for knack predict only; give a checkpoint's folder/],
  ];
  for (const [name] of files) writeFileSync(at(name), name);
  symlinkSync(at("w.pth"), at("link"));
  files.push(["link", /link is no checkpoint: it is a file/]);
  for (const [name, message] of files) {
    for (const [taker, take] of Object.entries(takers)) {
      if (taker === "predict" && name.endsWith(".onnx")) continue;
      await assert.rejects(async () => take(at(name)), inputError(message), `${taker} ${name}`);
    }
  }
  const init = (name: string) => () => trainerOf({ init: { weights: at(name) } });
  assert.throws(init("picture.jpg"), inputError(/picture\.jpg is no file of weights .*: give a safetensors file or/));
  assert.throws(init("net.onnx"), inputError(/net\.onnx is an ONNX file, .*give the checkpoint/));
  assert.equal(existsSync(at("never")), false);
});

const BROKEN: readonly [what: string, name: string, values: (of: number[]) => number[], message: string][] = [
  ["NaN", "layer1.0.conv1.weight", nth(3, Number.NaN), "layer1.0.conv1.weight: 1 of 144 numbers are not finite"],
  ["infinite", "fc.bias", nth(1, Number.POSITIVE_INFINITY), "fc.bias: 1 of 4 numbers are not finite"],
  [
    "-infinite",
    "bn1.running_mean",
    nth(0, Number.NEGATIVE_INFINITY),
    "bn1.running_mean: 1 of 4 numbers are not finite",
  ],
  ["negative", "layer2.0.bn1.running_var", nth(2, -1), "layer2.0.bn1.running_var: 1 of 8 numbers are negative"],
  ["nearly 0", "bn1.running_var", nth(2, -1e-9), "bn1.running_var: 1 of 4 numbers are negative"],
];

function nth(index: number, value: number) {
  return (values: number[]) => values.map((each, i) => (i === index ? value : each));
}

for (const [what, name, change, message] of BROKEN) {
  test(`weights that are broken, ${what}: named wherever they are taken`, async () => {
    const words = new RegExp(`broken.*: its weights are broken: ${message}`);
    for (const dtype of ["float32", "float64", "bfloat16"] as const) {
      const raw = weights.get(name) as RawTensor;
      const changed = scope(() => {
        const values = change([...new Float32Array(raw.data.slice().buffer)]);
        return rawTensor(toDType(Tensor.from(values, raw.shape), dtype));
      });
      const all = new Map([...weights, [name, changed]]);
      saveCheckpoint(at("broken"), { weights: all, config });
      for (const [taker, take] of Object.entries(takers)) {
        await assert.rejects(async () => take(at("broken")), inputError(words), `${taker}, ${dtype}`);
      }
      writeFileSync(at("broken.safetensors"), encodeSafetensors(all));
      for (const init of [at("broken"), at("broken.safetensors")]) {
        assert.throws(() => trainerOf({ init: { weights: init } }), inputError(words));
      }
      const folder = at(`imported-${what}-${dtype}`);
      const { notes } = importWeights(at("broken.safetensors"), folder, {
        model: "resnet18_small",
        modelOptions: { width: 4 },
      });
      assert.match(notes.join("; "), new RegExp(`${message}.*broken`));
      await assert.rejects(async () => takers.predict?.(folder), inputError(/its weights are broken/));
    }
  });
}

test("numbers that float32 does not hold, and finite weights whose logits are none", async () => {
  const raw = weights.get("bn1.weight") as RawTensor;
  const huge = scope(() => rawTensor(Tensor.from(Float64Array.of(1, 1e39, 1, 1), raw.shape)));
  saveCheckpoint(at("broken"), { weights: new Map([...weights, ["bn1.weight", huge]]), config });
  await assert.rejects(evaluateCheckpoint(at("broken"), [four.validation]), inputError(/bn1\.weight: 1 of 4 numbers/));
  const large = scope(() => rawTensor(Tensor.from([3e38, -3e38, 3e38, 3e38], raw.shape)));
  const overflowing = new Map([...weights, ["bn1.weight", large], ["layer1.0.bn2.weight", large]] as const);
  saveCheckpoint(at("broken"), { weights: overflowing, config });
  await assert.rejects(
    evaluateCheckpoint(at("broken"), [four.validation]),
    /broken gives logits that are no numbers: its weights are broken/,
  );
});

test("a broken classifier that gives way to a new one does no harm", () => {
  const raw = weights.get("fc.weight") as RawTensor;
  const [, features = 0] = raw.shape;
  const other = scope(() => rawTensor(Tensor.from(Array(2 * features).fill(Number.NaN), [2, features])));
  const bias = scope(() => rawTensor(Tensor.from([0, 0])));
  writeFileSync(
    at("other.safetensors"),
    encodeSafetensors(new Map([...weights, ["fc.weight", other], ["fc.bias", bias]])),
  );
  using trainer = trainerOf({ init: { weights: at("other.safetensors") } });
  assert.ok(Number.isFinite(trainer.step(batchOf(four, BATCH, 0), 0).loss));
});

test("a good checkpoint is taken by all", async () => {
  assert.equal(loadCheckpoint(at("good")).config.num_classes, 4);
  await evaluateCheckpoint(at("good"), [four.validation]);
  await takers.predict?.(at("good"));
});
