/** What a network for several labels a picture is trained against, beside PyTorch, and what of a recipe has no meaning there. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Trainer } from "../../src/training/trainer.js";
import { taskOf } from "../../src/tasks/index.js";
import { severalLabels } from "../../src/tasks/several-labels.js";
import { backward, gradientOf } from "../../src/tensor/autograd.js";
import { requireGradient } from "../../src/tensor/ops.js";
import { randomFor } from "../../src/tensor/random.js";
import type { RawTensor } from "../../src/tensor/raw-tensor.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { rawTensor } from "../../src/nn/state-dict.js";
import { asymmetricLossOf } from "../../src/tricks/asymmetric-loss.js";
import { distillationLoss } from "../../src/tricks/distillation.js";
import { smoothLabels } from "../../src/tricks/label-smoothing.js";
import { inputError } from "../support/input-error.js";
import { labelSetsOf } from "../support/label-sets.js";
import { near } from "../support/near.js";
import { askPython } from "../support/oracle.js";
import { batchOf } from "../support/random-data.js";
import { BATCH, floats, four, tiny, trainerOf } from "../support/tiny-training.js";

const [N, K] = [6, 5];
const random = randomFor(0, "several-labels");
const numbers = (spread: number) => Float32Array.from({ length: N * K }, () => spread * (2 * random.uniform() - 1));
const LOGITS = numbers(5);
const TEACHER = numbers(5);
const TARGETS = Float32Array.from({ length: N * K }, () => Number(random.uniform() < 0.3));
const ASL = [
  [4, 0, 0.05],
  [4, 1, 0.05],
  [2, 1, 0],
  [0, 0, 0],
  [1, 3, 0.2],
] as const;
const TEMPERATURE = 4;

let expected: Map<string, RawTensor>;
before(() => {
  const given = { logits: LOGITS, teacher: TEACHER, targets: TARGETS };
  const tensors = new Map(
    Object.entries(given).map(([name, values]) => [name, rawTensor(Tensor.from(values, [N, K]))]),
  );
  tensors.set("asl", rawTensor(Tensor.from(ASL.flat(), [ASL.length, 3])));
  tensors.set("temperature", rawTensor(Tensor.from([TEMPERATURE])));
  expected = askPython("label_set_losses.py", tensors);
});

/** A loss and its gradient beside PyTorch's. */
function compared(name: string, loss: (logits: Tensor) => Tensor): void {
  scope(() => {
    const logits = requireGradient(Tensor.from(LOGITS.slice(), [N, K]), true);
    const value = loss(logits);
    backward(value);
    near([value.item()], [...floats(expected.get(name)?.data ?? new Uint8Array())], 1e-5);
    const gradient = [...floats(expected.get(`${name}.gradient`)?.data ?? new Uint8Array())];
    near(gradientOf(logits)?.toArray() ?? [], gradient, 2e-6);
  });
}

const targets = () => Tensor.from(TARGETS.slice(), [N, K]);

test("binary cross-entropy is PyTorch's: the sum over the classes, the mean over the images", () => {
  compared("bce", (logits) => severalLabels.loss(logits, targets()));
});

test("asymmetric loss is the authors' own, with and without margin and gammas", () => {
  for (const [index, [gammaNegative, gammaPositive, margin]] of ASL.entries()) {
    compared(`asl.${index}`, (logits) => asymmetricLossOf(logits, targets(), { gammaNegative, gammaPositive, margin }));
  }
});

test("distillation compares sigmoids", () => {
  const teacher = () => Tensor.from(TEACHER.slice(), [N, K]);
  compared("distillation", (logits) =>
    distillationLoss(logits, teacher(), { temperature: TEMPERATURE, loss: "cross-entropy" }, severalLabels),
  );
  compared("kl", (logits) =>
    distillationLoss(logits, teacher(), { temperature: TEMPERATURE, loss: "kl" }, severalLabels),
  );
});

test("labels are smoothed between yes and no, by all as Keras does it: y (1 - eps) + eps / 2", () => {
  scope(() => {
    const hard = Tensor.from([1, 0, 0, 1, 1, 0], [2, 3]);
    const answers = severalLabels.answers(3);
    const all = smoothLabels(hard, { epsilon: 0.1, spread: "all" }, answers);
    near(all.toArray(), [0.95, 0.05, 0.05, 0.95, 0.95, 0.05], 1e-6);
    const others = smoothLabels(hard, { epsilon: 0.1, spread: "others" }, answers);
    near(others.toArray(), [0.9, 0.1, 0.1, 0.9, 0.9, 0.1], 1e-6);
  });
});

/** `four`, each image with its class and perhaps the next one, and some with none. */
function labelled() {
  const some = (set: typeof four.train) => {
    const shown = Array.from(set.labels, (label, at) =>
      [0, 1, 2, 3].map((each) =>
        Number(at % 7 !== 0 && (each === label || (at % 3 === 0 && each === (label + 1) % 4))),
      ),
    );
    return { ...set, ...labelSetsOf(shown) };
  };
  return { ...four, train: some(four.train), validation: some(four.validation) };
}

test("the targets of a batch are the rows of its labels, and mixup blends them", () => {
  const { train } = labelled();
  const before = liveTensors();
  {
    using rows = taskOf(train).targets(train, "cpu");
    scope(() => {
      const labels = Tensor.from(Int32Array.from([0, 1, 2, 1]));
      const shown = [0, 1, 2, 1].flatMap((label) => {
        return [0, 1, 2, 3].map((each) => Number(train.labelSets?.[label]?.includes(each)));
      });
      assert.deepEqual(rows.of(labels).toArray(), shown);
    });
  }
  assert.equal(liveTensors(), before);
});

test("what has no meaning with several labels, or only with them, is refused with a reason", () => {
  const refused = (changes: object, data: typeof four, message: RegExp) => {
    assert.throws(() => new Trainer(tiny(changes), data, { device: "cpu" }), inputError(message));
  };
  for (const classBalance of ["weights", "sampling"]) {
    refused(
      { classBalance },
      labelled(),
      /--class-balance\): with several labels a picture no weight .*--asymmetric-loss/,
    );
  }
  refused({ asymmetricLoss: {} }, four, /--asymmetric-loss\): it is for several labels a picture, and these have one/);
});

test("a step's loss is that of its targets, with smoothing, mixup, and asymmetric loss in place of the other", () => {
  const data = labelled();
  const batch = batchOf(data, BATCH, 0);
  const lossOf = (changes: object) => {
    using trainer = trainerOf({ lr: 1e-9, ...changes }, data);
    return trainer.step(batch, 0).labelLoss;
  };
  const plain = lossOf({});
  // Of a network with random weights: near ln 2 for each of 4 classes.
  assert.ok(Math.abs(plain - 4 * Math.LN2) < 1.5, String(plain));
  assert.ok(Math.abs(lossOf({ asymmetricLoss: { gammaNegative: 0, gammaPositive: 0, margin: 0.001 } }) - plain) < 0.05);
  assert.ok(lossOf({ asymmetricLoss: {} }) < 0.9 * plain);
  for (const changes of [{ labelSmoothing: {} }, { mixup: { alpha: 1 } }, { cutmix: {} }]) {
    assert.ok(Math.abs(lossOf(changes) - plain) > 1e-4, JSON.stringify(changes));
  }
});
