/** Batch norms that would see one value a channel: refused before a run, as PyTorch refuses them in its first step. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { whyNoFastEngine } from "../../src/engine/engine.js";
import { createModel } from "../../src/models/registry.js";
import { BatchNorm2d } from "../../src/nn/layers/batch-norm2d.js";
import { full } from "../../src/tensor/ops.js";
import { scope } from "../../src/tensor/scope.js";
import { requireEnoughValues } from "../../src/training/enough-values.js";
import { Trainer } from "../../src/training/trainer.js";
import { inputError } from "../support/input-error.js";
import { batchOf, randomData } from "../support/random-data.js";
import { disposing, scratchFolder, session, tiny } from "../support/tiny-training.js";

const at = scratchFolder("values");
const eight = randomData(16, 8);

for (const engine of ["fast", "plain"] as const) {
  const skip = engine === "fast" && whyNoFastEngine({ device: "cpu", precision: "fp32" });
  test(`one image a part that becomes one pixel: refused before the run, ${engine} engine`, { skip }, async () => {
    const choice = { engine, winograd: true };
    const refuses = async (changes: object, message: RegExp) => {
      const run = { data: eight, recipe: tiny({ batchSize: 4, ...changes }), out: at("never"), engine: choice };
      await assert.rejects(session(run), inputError(message));
      assert.equal(existsSync(at("never")), false);
    };
    await refuses(
      { accumulation: 4 },
      /^batchSize 4 \/ accumulation 4 is 1 image a part, .*8x8 .* at layer4\.0\.bn1: .*smaller --accumulation/,
    );
    await refuses({ batchSize: 1 }, /^batchSize is 1, .* at layer4\.0\.bn1: .*larger --batch-size/);
    await refuses(
      { accumulation: 4, freezeEpochs: 0, model: "mobilenetv1_025", modelOptions: {} },
      /at blocks\.\d\.\d\.bn\d: /,
    );
    for (const [changes, side] of [
      [{ accumulation: 2 }, 8],
      [{ accumulation: 4 }, 16],
      [{ accumulation: 4, model: "resnet20" }, 8],
    ] as const) {
      const recipe = tiny({ batchSize: 4, ...changes });
      const data = randomData(16, side);
      using trainer = disposing(new Trainer(recipe, data, { device: "cpu", engine: choice }));
      assert.ok(Number.isFinite(trainer.step(batchOf(data, 4, 0), 0).loss));
      for (const [name, tensor] of trainer.state) {
        if (name.endsWith("running_var")) assert.ok(tensor.toArray().every(Number.isFinite), name);
      }
    }
  });
}

test("the auxiliary classifier's batch norms count, and the model stays as it was", () => {
  using model = createModel("inception_v3", { classes: 2, inChannels: 3 }, { aux_logits: true });
  const once = { batchSize: 1, accumulation: 1 };
  assert.throws(() => requireEnoughValues(model, [1, 3, 299, 299], once), inputError(/at AuxLogits\.conv1\.bn: /));
  assert.ok([...model.modules()].every(([, layer]) => layer.training && !Object.hasOwn(layer, "forward")));
  const counted = [...model.state()].filter(([name]) => name.endsWith("num_batches_tracked"));
  assert.ok(
    counted.every(([, tensor]) => tensor.item() === 0),
    "no statistic has seen the trial",
  );
  using without = createModel("inception_v3", { classes: 2, inChannels: 3 });
  requireEnoughValues(without, [1, 3, 299, 299], once);
});

test("a layer in a training of one's own refuses one value, and takes it in evaluation", () => {
  using norm = new BatchNorm2d(3);
  scope(() => {
    assert.throws(() => norm.forward(full([1, 3, 1, 1], 2)), inputError(/one value a channel/));
    norm.forward(full([2, 3, 1, 1], 2));
    norm.forward(full([1, 3, 1, 2], 2));
    norm.eval().forward(full([1, 3, 1, 1], 2));
  });
});
