import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvolutionChoices } from "../../src/engine/convolution-choices.js";
import { DEFAULT_ENGINE } from "../../src/engine/engine-name.js";
import { SentBatch } from "../../src/training/sent-batch.js";
import { AuxiliaryNetwork } from "../../src/models/auxiliary-network.js";
import { addon } from "../../src/native/torch/addon.js";
import { Dropout } from "../../src/nn/layers/dropout.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { crossEntropy } from "../../src/tensor/ops.js";
import { seedFor } from "../../src/tensor/random.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { audit } from "../../src/run/audit.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { RecipeInput } from "../../src/recipe/recipe.js";
import { Trainer } from "../../src/training/trainer.js";
import { inputError } from "../support/input-error.js";
import { batchOf, randomData } from "../support/random-data.js";

// Two threads that wait for each other on a busy machine's two cores are far slower than one.
addon.setThreads(1);

/** As the trainers of one run: the same algorithms for all of them, also where others use the machine while they are chosen. */
const engine = { ...DEFAULT_ENGINE, choices: new ConvolutionChoices() };

/** Runs `body` with a trainer of Inception-V3 on 8 noise images of `side` pixels. */
function withTrainer<T>(side: number, changes: RecipeInput, body: (trainer: Trainer) => T): T {
  const settings = { name: "test", model: "inception_v3", epochs: 10, batchSize: 4, lr: 0.01, ...changes };
  const trainer = new Trainer(parseRecipe(settings, "the test's recipe"), randomData(8, side), {
    device: "cpu",
    engine,
  });
  try {
    return body(trainer);
  } finally {
    trainer.dispose();
  }
}

test("the auxiliary classifier adds 0.4 times its loss to what is minimised, and nothing to the label loss", () => {
  const before = liveTensors();
  withTrainer(299, { modelOptions: { aux_logits: true }, batchSize: 2 }, (trainer) => {
    const { model, recipe, data } = trainer;
    assert.ok(model instanceof AuxiliaryNetwork);
    for (const [path, module] of model.modules()) {
      if (module instanceof Dropout) module.seed = seedFor(recipe.seed, "dropout", path, 0, 0);
    }
    const batch = batchOf(randomData(8, 299), 2, 0);
    const expected = scope(() =>
      noGradient(() => {
        using sent = new SentBatch(batch, data.train, "cpu");
        const { images, labels } = sent.prepare();
        const { logits, auxiliary } = model.forwardWithAuxiliary(images);
        assert.ok(auxiliary);
        return { label: crossEntropy(logits, labels).item(), auxiliary: crossEntropy(auxiliary, labels).item() };
      }),
    );
    const { loss, labelLoss } = trainer.step(batch, 0);
    assert.ok(expected.auxiliary > 0.1);
    // Two images, 94 batch norms: the engines' float32 roundings are 1e-4 apart here.
    assert.ok(Math.abs(labelLoss - expected.label) < 1e-3, `${labelLoss}, not ${expected.label}`);
    const whole = expected.label + 0.4 * expected.auxiliary;
    assert.ok(Math.abs(loss - whole) < 1e-3, `${loss}, not ${whole}`);
  });
  assert.equal(liveTensors(), before);
});

test("dropout depends on seed, step and part alone: a restored run goes on with the same bits", () => {
  const data = randomData(8, 75);
  withTrainer(75, { accumulation: 2 }, (first) => {
    first.step(batchOf(data, 4, 0), 0);
    const weights = first.weights();
    const { tensors, counters } = first.trainingState();
    const uninterrupted = first.step(batchOf(data, 4, 1), 1);
    withTrainer(75, { accumulation: 2 }, (second) => {
      second.restore(weights, tensors, counters);
      assert.deepEqual(second.step(batchOf(data, 4, 1), 1), uninterrupted);
      assert.deepEqual(second.weights(), first.weights());
    });
    const seeds = (step: number) => {
      first.step(batchOf(data, 4, 0), step);
      return Array.from(first.model.modules()).flatMap(([, module]) =>
        module instanceof Dropout ? [module.seed] : [],
      );
    };
    assert.notDeepEqual(seeds(2), seeds(3));
  });
});

test("zero gamma on a network without residual blocks is the audit's error", () => {
  for (const [model, side] of [
    ["inception_v3", 75],
    ["mobilenetv1_025", 32],
  ] as const) {
    withTrainer(side, { model, zeroGamma: true }, (trainer) =>
      assert.throws(
        () => audit(trainer, "out"),
        inputError(
          new RegExp(`^zero-gamma was asked for and changed nothing: ${model} has no residual block: use --no-`),
        ),
      ),
    );
  }
});

test("images too small for the model are an error before anything is built", () => {
  const before = liveTensors();
  assert.throws(() => withTrainer(32, {}, () => {}), inputError(/inception_v3 needs images of at least 75 pixels/));
  assert.equal(liveTensors(), before);
});
