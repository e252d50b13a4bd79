/** Evaluations in bf16: near those in float32, and chosen by "auto" only where they cost nothing. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import sharp from "sharp";
import { loadClassifier } from "../../src/inference/classifier.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import { type EvaluationPrecision, hasFastBfloat16, precisionFor } from "../../src/training/evaluation-precision.js";
import { loadCheckpoint } from "../../src/weights/checkpoint.js";
import type { CheckpointConfig } from "../../src/weights/config.js";
import { inputError } from "../support/input-error.js";
import { four, scratchFolder, session, tiny } from "../support/tiny-training.js";

const at = scratchFolder("bf16");
before(() => session({ data: four, recipe: tiny({ epochs: 2 }), out: at("run") }));

const configWith = (top1: number, lowered: number | undefined): CheckpointConfig => {
  const { config } = loadCheckpoint(at("run"));
  return { ...config, knack: { ...config.knack, top1, top1_bf16: lowered } as CheckpointConfig["knack"] };
};

test("auto is bf16 where a run measured that it costs no accuracy and this processor is fast at it", () => {
  const fast = hasFastBfloat16() ? "bf16" : "fp32";
  assert.equal(precisionFor("auto", configWith(0.9, 0.9), "cpu"), fast);
  assert.equal(precisionFor("auto", configWith(0.9, 0.9), "cuda"), "fp32");
  assert.equal(precisionFor("auto", configWith(0.9, 0.89), "cpu"), "fp32");
  assert.equal(precisionFor("auto", configWith(0.9, undefined), "cpu"), "fp32");
  assert.equal(precisionFor("bf16", configWith(0.9, undefined), "cpu"), "bf16");
});

test("a finished run has measured its best weights in bf16, where this processor is fast at it", async (t) => {
  if (!hasFastBfloat16()) return t.skip("this processor has no instructions for bf16");
  const { config } = loadCheckpoint(at("run"));
  const { metrics } = await evaluateCheckpoint(join(at("run"), "checkpoints/best"), [four.validation], {
    precision: "bf16",
  });
  assert.equal(config.knack?.top1_bf16, metrics["top-1"]);
  assert.equal(loadCheckpoint(join(at("run"), "checkpoints/last")).config.knack?.top1_bf16, undefined);
});

test("probabilities in bf16 are near those in float32, and those of auto are one of the two", async () => {
  const picture = await sharp(Buffer.from(four.train.pixels.slice(0, 16 * 16 * 3)), {
    raw: { width: 16, height: 16, channels: 3 },
  })
    .png()
    .toBuffer();
  const probabilities = async (precision?: EvaluationPrecision) => {
    using classifier = loadClassifier(at("run"), precision && { precision });
    return (await classifier.classify(picture))
      .toSorted((a, b) => a.index - b.index)
      .map(({ probability }) => probability);
  };
  const [fp32, bf16, auto] = [await probabilities(), await probabilities("bf16"), await probabilities("auto")];
  assert.notDeepEqual(bf16, fp32);
  for (const [i, probability] of fp32.entries())
    assert.ok(Math.abs(probability - (bf16[i] as number)) < 0.02, `${bf16}, not ${fp32}`);
  const { config } = loadCheckpoint(at("run"));
  assert.deepEqual(auto, precisionFor("auto", config, "cpu") === "bf16" ? bf16 : fp32);
});

test("an ONNX file is computed as it is", () => {
  writeFileSync(at("model.onnx"), "");
  assert.throws(
    () => loadClassifier(at("model.onnx"), { precision: "bf16" }),
    inputError(/precision: .* as it was exported/),
  );
});
