/** Early stop: when a run ends, and what it is worth then. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { prepareImages } from "../../src/training/prepare-images.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { scope } from "../../src/tensor/scope.js";
import { audit } from "../../src/run/audit.js";
import { evaluateCheckpoint } from "../../src/run/evaluate-checkpoint.js";
import type { Recipe } from "../../src/recipe/recipe.js";
import { runSession } from "../../src/run/session.js";
import { loadModel } from "../../src/weights/load-model.js";
import { inputError } from "../support/input-error.js";
import { detailOf, four, left, ofType, scratchFolder, session, tiny, trainerOf } from "../support/tiny-training.js";

const at = scratchFolder("early-stop");

test("early stop: the run ends patience epochs after the best, whose figures and weights are the run's", async () => {
  const [epochs, bestEpoch, patience] = [8, 2, 3];
  const plain = tiny({ epochs, lr: 0.01 });
  // What the network of epoch 2 says becomes the truth, so that no other epoch is as good.
  const planted = { ...four, validation: { ...four.validation, labels: await answersAfter(bestEpoch, plain) } };
  const out = at("stopped-early");
  const events = await session({ data: planted, recipe: { ...plain, earlyStop: { patience } }, out });
  const evaluated = ofType(events, "epoch");
  assert.equal(evaluated.length, bestEpoch + patience);
  assert.deepEqual(
    evaluated.map(({ top1 }) => top1 === 1),
    evaluated.map(({ epoch }) => epoch === bestEpoch),
  );
  const [done] = ofType(events, "done");
  const { top1, validationLoss } = evaluated[bestEpoch - 1] ?? {};
  assert.deepEqual(
    [done?.epoch, done?.top1, done?.bestTop1, done?.validationLoss],
    [bestEpoch, top1, 1, validationLoss],
  );
  const measured = await evaluateCheckpoint(out, [planted.validation]);
  assert.deepEqual([measured.metrics["top-1"], measured.metrics.loss], [1, validationLoss]);

  const before = left(out);
  const again = await session({ resume: out, data: planted });
  assert.equal(ofType(again, "step").length + ofType(again, "epoch").length, 0);
  assert.deepEqual({ ...ofType(again, "done")[0], seconds: 0 }, { ...done, seconds: 0 });
  assert.deepEqual(left(out), before);

  // Without early stop the figures are the last epoch's.
  const whole = ofType(await session({ data: planted, recipe: plain, out: at("not-stopped") }), "done")[0];
  assert.deepEqual([whole?.epoch, whole?.bestTop1], [epochs, 1]);
  assert.ok((whole?.top1 ?? 1) < 1);
});

/** The classes that a run's network sees in the validation images after so many epochs. */
async function answersAfter(epochs: number, recipe: Recipe): Promise<Int32Array> {
  const out = at("answers");
  for await (const event of runSession({ data: four, recipe, out, workers: 0, device: "cpu" }, () => false)) {
    if (event.type === "checkpoint" && event.kind === "last" && event.epoch === epochs) break;
  }
  const { model, format } = loadModel(join(out, "checkpoints/last"), "cpu");
  using _ = model;
  const logits = scope(() =>
    noGradient(() => model.forward(prepareImages(four.validation.pixels, format, "cpu")).toArray()),
  );
  return Int32Array.from({ length: four.validation.count }, (_, image) => {
    const own = logits.slice(4 * image, 4 * image + 4);
    return own.indexOf(Math.max(...own));
  });
}

test("early stop that cannot happen is an error", () => {
  for (const [patience, idle] of [
    [2, false],
    [3, true],
  ] as const) {
    using trainer = trainerOf({ earlyStop: { patience } });
    if (!idle) assert.match(detailOf(trainer, "early-stop") ?? "", /after 2 epochs/);
    else assert.throws(() => audit(trainer, "run"), inputError(/early-stop .*3 epochs without.*in 3 epochs/));
  }
});
