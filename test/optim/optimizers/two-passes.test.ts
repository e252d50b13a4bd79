/** An optimizer that takes a second gradient at other weights (as SAM, Foret et al. 2021) needs no change of the trainer. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OPTIMIZERS } from "../../../src/optim/optimizers/index.js";
import {
  type GroupStep,
  gradientOfSlot,
  Optimizer,
  type OptimizerPart,
  optimizerPart,
} from "../../../src/optim/optimizers/optimizer.js";
import type { Recipe } from "../../../src/recipe/recipe.js";
import { aboveZero } from "../../../src/settings/schema.js";
import { noGradient } from "../../../src/tensor/autograd.js";
import { addInPlace, clone, copyInPlace } from "../../../src/tensor/ops.js";
import { scope } from "../../../src/tensor/scope.js";
import type { Tensor } from "../../../src/tensor/tensor.js";
import { Trainer } from "../../../src/training/trainer.js";
import { batchOf } from "../../support/random-data.js";
import { near } from "../../support/near.js";
import { BATCH, disposing, floats, four, tiny } from "../../support/tiny-training.js";

/** w <- w - lr g(w + rho g / |g|), without momentum and decay. */
class ToySam extends Optimizer {
  #moved: { readonly target: Tensor; readonly before: Tensor }[] = [];

  constructor(
    groups: ConstructorParameters<typeof Optimizer>[0],
    masters: ConstructorParameters<typeof Optimizer>[1],
    private readonly rho: number,
  ) {
    super(groups, masters, []);
  }

  override ascend(): void {
    noGradient(() =>
      scope(() => {
        const slots = this.learning().flatMap((group) => group.slots);
        const squares = slots.flatMap((slot) => gradientOfSlot(slot).toArray()).map((value) => value * value);
        const norm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
        for (const slot of slots) {
          this.#moved.push({ target: slot.target, before: clone(slot.target).keep() });
          addInPlace(slot.target, gradientOfSlot(slot), this.rho / norm);
        }
      }),
    );
    this.clearGradients();
  }

  override step(learningRate: number, gradientScale: number): void {
    this.#back();
    super.step(learningRate, gradientScale);
  }

  override skip(): void {
    this.#back();
    super.skip();
  }

  protected override update({ targets, gradients, lr }: GroupStep): void {
    for (const [i, target] of targets.entries()) addInPlace(target, gradients[i] as Tensor, -lr);
  }

  #back(): void {
    noGradient(() => {
      for (const { target, before } of this.#moved) copyInPlace(target, before);
    });
    for (const { before } of this.#moved) before.dispose();
    this.#moved = [];
  }
}

const toySam = optimizerPart({
  name: "toy-sam",
  shape: { rho: aboveZero },
  defaults: { rho: 0.05 },
  switches: [],
  create: (groups, { rho }, masters) => new ToySam(groups, masters, rho),
});

// As a line in the list would.
const list = OPTIMIZERS as unknown as OptimizerPart[];
before(() => list.push(toySam));
after(() => list.pop());

const LR = 0.1;
const plain = (): Recipe =>
  tiny({ lr: LR, momentum: 0, nesterov: false, weightDecay: 0, schedule: { type: "cosine" } });

test("a step goes down by the gradient of where it went up", () => {
  const rho = 0.5;
  const trainerOf = (recipe: Recipe) =>
    disposing(new Trainer(recipe, four, { device: "cpu", engine: { engine: "plain", winograd: false } }));
  const names = (trainer: Trainer) => Array.from(trainer.model.parameters(), ([name]) => name);
  const all = (trainer: Trainer) => {
    const weights = trainer.weights();
    return names(trainer).flatMap((name) => [...floats(weights.get(name)?.data ?? new Uint8Array())]);
  };
  const batch = batchOf(four, BATCH, 0);
  /** The gradient at a trainer's weights, by a step of SGD. */
  const gradient = (trainer: Trainer) => {
    const start = all(trainer);
    trainer.step(batch, 0);
    return all(trainer).map((value, i) => ((start[i] ?? 0) - value) / LR);
  };
  using first = trainerOf(plain());
  const start = all(first);
  const up = gradient(first);
  const norm = Math.sqrt(up.reduce((sum, value) => sum + value * value, 0));

  using moved = trainerOf(plain());
  const raised = new Map(moved.weights());
  let at = 0;
  for (const name of names(moved)) {
    const raw = raised.get(name);
    assert.ok(raw);
    const values = floats(raw.data).map((value) => value + (rho * (up[at++] ?? 0)) / norm);
    raised.set(name, { ...raw, data: new Uint8Array(values.buffer) });
  }
  moved.load(raised);
  const down = gradient(moved);

  using sam = trainerOf({ ...plain(), optimizer: "toy-sam", rho } as unknown as Recipe);
  sam.step(batch, 0);
  near(
    all(sam),
    start.map((value, i) => value - LR * (down[i] ?? 0)),
    2e-4,
  );
  assert.ok(
    down.some((value, i) => Math.abs(value - (up[i] ?? 0)) > 0.05),
    "the second gradient is another one",
  );
});
