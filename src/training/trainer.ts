import { DivergedError, InputError } from "../base/errors.js";
import type { Batch } from "../data/loading/loader.js";
import type { Split } from "../data/split.js";
import { DEFAULT_ENGINE, type EngineChoice } from "../engine/engine-name.js";
import { AUXILIARY_WEIGHT } from "../models/auxiliary-network.js";
import { checkTrainingSize, createModel } from "../models/registry.js";
import { xavierUniform } from "../nn/initialise.js";
import { Dropout } from "../nn/layers/dropout.js";
import { type Module, Parameter } from "../nn/module.js";
import { moveTo } from "../nn/move-to.js";
import { lowerPrecision, type Precision } from "../nn/precision.js";
import { loadStateDict } from "../nn/state-dict.js";
import type { LearningRateSchedule } from "../optim/learning-rate.js";
import { LossScaler } from "../optim/loss-scaler.js";
import { OPTIMIZERS } from "../optim/optimizers/index.js";
import type { Optimizer, OptimizerPart } from "../optim/optimizers/optimizer.js";
import { checkAgainstData, type Recipe } from "../recipe/recipe.js";
import { taskOf } from "../tasks/index.js";
import type { Criterion, Targets, Task } from "../tasks/task.js";
import { noGradient } from "../tensor/autograd.js";
import { add, clone, concatenate, detach, mulScalar, requireGradient, reshape, setData } from "../tensor/ops.js";
import { seedFor } from "../tensor/random.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import { TRICKS } from "../tricks/index.js";
import { RunningTricks, type TrickAudit } from "../tricks/running-tricks.js";
import { type Run, settingsOf, type Trick } from "../tricks/trick.js";
import type { InitialWeights } from "../weights/initial-weights.js";
import { copyAll, copyFrom, snapshot } from "./copies.js";
import { firstBadTensor, firstBadValue } from "./bad-values.js";
import { requireEnoughValues } from "./enough-values.js";
import { type Evaluation, evaluate } from "./evaluate.js";
import { Replica, type Together } from "./replica.js";
import { type PreparedBatch, SentBatch } from "./sent-batch.js";
import { type ComputedBy, TrainingPasses } from "./training-passes.js";

/** What to train on and what to measure on. */
export interface TrainingData {
  readonly train: Split;
  readonly validation: Split;
  /** One line for people: what it is, how much, from where. */
  readonly description: string;
}

/** What one optimizer step came to. */
export interface StepResult {
  /** What is minimised, mean over the batch: the loss against the targets, the auxiliary head's share and the distillation term. */
  readonly loss: number;
  /** The part against the (smoothed, mixed) targets: l(p, softmax(z)). */
  readonly labelLoss: number;
  readonly lr: number;
  /** Whether the weights stayed as they were, because the loss or a gradient was not finite. */
  readonly skipped: boolean;
}

/** The counters that a resumed run needs beside tensors. */
export interface TrainerState {
  readonly lossScale: number;
  readonly goodSteps: number;
  readonly skippedSteps: number;
  readonly skippedInRow: number;
  readonly lrFactor: number;
}

const RAW_WEIGHTS = "weights.";
const KEPT = "tricks.";

export interface TrainerOptions {
  /** "cpu", "cuda", … */
  readonly device: string;
  /** What the run starts from in place of random weights. */
  readonly startsFrom?: InitialWeights | undefined;
  /** Default: the fast engine where it can. */
  readonly engine?: EngineChoice;
  /** Tricks that the recipe brings along (`loadOwnTricks`). */
  readonly ownTricks?: readonly Trick[];
  /** Where several processes train the model, each on its rows of every batch. */
  readonly together?: Together | undefined;
}

/**
 * A model being trained by a recipe: everything that happens in one optimizer step, and nothing about epochs, files or
 * progress. Its tricks act at their moments; none is known here by name. What is random in step s depends on (seed, s) alone.
 */
export class Trainer implements Run {
  readonly model: Module;
  readonly schedule: LearningRateSchedule;
  readonly stepsPerEpoch: number;
  readonly precision: Precision;
  readonly scaler: LossScaler;
  /** What the rate is multiplied by after a divergence. */
  lrFactor = 1;
  readonly device: string;
  readonly engine: EngineChoice;
  readonly task: Task;
  readonly startsFrom: InitialWeights | undefined;
  /** Float32 masters of the 16-bit parameters. */
  readonly masters: ReadonlyMap<Parameter, Tensor>;
  readonly #tricks: RunningTricks;
  readonly #optimizer: Optimizer;
  readonly #dropouts: readonly { path: string; dropout: Dropout }[];
  readonly #passes: TrainingPasses;
  readonly #targets: Targets;
  /** What the logits are held against the targets by. */
  readonly #criterion: Criterion;
  readonly #replica: Replica | undefined;
  /** What learns no step of the epoch under way. */
  #frozen: ReadonlySet<Parameter> = new Set();
  /** The step under way: per part its loss and label loss, then whether the gradients are finite; float32 on the device. */
  #begun: { readonly step: number; readonly values: Tensor } | undefined;

  /**
   * @throws InputError where the recipe does not fit the data, the model, the engine or a trick.
   */
  constructor(
    readonly recipe: Recipe,
    readonly data: TrainingData,
    { device, startsFrom, engine = DEFAULT_ENGINE, ownTricks = [], together }: TrainerOptions,
  ) {
    const { train } = data;
    checkAgainstData(recipe, train.count);
    this.device = device;
    this.engine = engine;
    this.startsFrom = startsFrom;
    this.task = taskOf(train);
    this.stepsPerEpoch = Math.floor(train.count / recipe.batchSize);
    this.#tricks = new RunningTricks([...TRICKS, ...ownTricks], this);
    this.#tricks.checked();
    this.schedule = this.#tricks.schedule();
    const { precision, lossScale } = this.#tricks.precision();
    this.precision = precision;
    this.scaler = new LossScaler(lossScale);
    checkTrainingSize(recipe.model, recipe.modelOptions, train.height, train.width);
    const outline = { classes: train.classes.length, inChannels: train.channels };
    this.model = createModel(recipe.model, outline, recipe.modelOptions);
    const images = recipe.batchSize / recipe.accumulation;
    this.#replica = together && new Replica(together, images);
    const shape = [this.#replica?.ownImages ?? images, train.channels, train.height, train.width] as const;
    requireEnoughValues(this.model, shape, recipe);
    this.#dropouts = Array.from(this.model.modules()).flatMap(([path, module]) =>
      module instanceof Dropout ? [{ path, dropout: module }] : [],
    );
    xavierUniform(this.model, recipe.seed);
    this.#tricks.initialised(this.model);
    this.#replica?.join(this.model);
    moveTo(this.model, device);
    this.masters = lowerPrecision(this.model, precision, device);
    const all = { parameters: new Map(this.model.parameters()), weightDecay: recipe.weightDecay, lrFactor: 1 };
    const groups = this.#tricks.grouped([all], this.model);
    const optimizer = optimizerNamed(recipe.optimizer);
    this.#optimizer = optimizer.create(groups, settingsOf(optimizer, recipe), this.masters);
    this.#passes = new TrainingPasses(this.model, {
      shape,
      precision,
      masters: this.masters,
      device,
      engine,
      onlyPlain: together?.syncBatchNorm ? "batch norms of several processes together are libtorch's" : undefined,
    });
    this.#targets = this.task.targets(train, device);
    this.#criterion = this.#tricks.criterion(this.task.loss);
    this.#tricks.built();
    this.#tricks.kept(); // from here on the same ones
    this.#replica?.broadcast(this.#kept());
  }

  /** The training images. */
  get train(): Split {
    return this.data.train;
  }

  /** The model's state with 16-bit parameters by their masters. */
  get state(): ReadonlyMap<string, Tensor> {
    return new Map(
      Array.from(this.model.state(), ([name, tensor]) => [name, this.masters.get(tensor as Parameter) ?? tensor]),
    );
  }

  /** What computes the steps: "fast" or "plain". @throws InputError where "fast" was asked for and cannot. */
  get computedBy(): ComputedBy {
    return this.#passes.engine;
  }

  /** How an epoch's images are drawn. */
  get sampling(): "shuffle" | "balanced" {
    return this.#tricks.sampling;
  }

  /** What each trick touched, a line for every trick of the paper and for what else is on. */
  audit(): TrickAudit[] {
    return this.#tricks.audit();
  }

  /** Whether the run ends after so many epochs, `improvedEpoch` being the last that was better than all before. */
  ends(finishedEpochs: number, improvedEpoch: number): boolean {
    return this.#tricks.ended(finishedEpochs, improvedEpoch);
  }

  /** Whether the run's result is its best epoch's, not its last one's. */
  get bestCounts(): boolean {
    return this.#tricks.bestCounts;
  }

  /** Sets what learns in an epoch: parameters that are frozen keep their values, and their layers their statistics. */
  beginEpoch(epoch: number): void {
    const frozen = this.#tricks.frozen(epoch);
    this.model.train();
    for (const [, layer] of this.model.modules()) {
      for (const [, parameter] of layer.ownState()) {
        if (!(parameter instanceof Parameter)) continue;
        requireGradient(parameter, !frozen.has(parameter));
        if (frozen.has(parameter)) layer.training = false;
      }
    }
    this.#optimizer.frozen = frozen;
    const same = frozen.size === this.#frozen.size && [...frozen].every((parameter) => this.#frozen.has(parameter));
    if (!same) this.#passes.modelChanged();
    this.#frozen = frozen;
  }

  /**
   * One optimizer step: `begin` and `finish`.
   *
   * @throws as they do
   */
  step(batch: Batch, step: number): StepResult {
    using sent = this.send(batch);
    this.begin(sent, step);
    return this.finish();
  }

  /** Begins to copy a batch to where it is trained on. */
  send(batch: Batch): SentBatch {
    return new SentBatch(batch, this.data.train, this.device);
  }

  /**
   * Asks for forward and backward passes on a batch of `recipe.batchSize` images, in `recipe.accumulation` parts. A GPU computes them after this has
   * returned; it must not be left idle meanwhile, so this is the time to send the next batch.
   *
   * @param step 0-based number of the step in the run
   */
  begin(batch: SentBatch, step: number): void {
    if (this.#begun) throw new Error("Trainer.begin: finish() the step before");
    const values = scope(() => {
      const losses = this.#gradients(batch, step);
      if (this.#optimizer.ascend) {
        this.#optimizer.ascend(1 / this.scaler.scale);
        this.#gradients(batch, step);
      }
      return concatenate([...losses, this.#optimizer.gradientsFinite()], 0);
    });
    this.#begun = { step, values: values.keep() };
  }

  /** Gradients of the whole batch, added up over its parts. @returns loss and label loss of each part, [1] each */
  #gradients(batch: SentBatch, step: number): Tensor[] {
    const { accumulation, seed } = this.recipe;
    const size = batch.size / accumulation;
    const losses: Tensor[] = [];
    for (let part = 0; part < accumulation; part++) {
      for (const { path, dropout } of this.#dropouts) dropout.seed = seedFor(seed, "dropout", path, step, part);
      losses.push(...scope(() => this.#accumulate(this.#prepared(batch, part * size, size), step, part)));
    }
    const learning = [...this.model.parameters()]
      .map(([, parameter]) => parameter)
      .filter((each) => !this.#frozen.has(each));
    this.#replica?.reduce(this.model, learning, losses);
    return losses;
  }

  /** Images and labels of a part: this process's, or all of them where tricks act on a batch as a whole. */
  #prepared(batch: SentBatch, start: number, size: number): PreparedBatch {
    return batch.prepare(start, size, this.#replica?.wanted(this.#tricks.mixes));
  }

  /**
   * Updates the weights by the step that was begun. Here, and only here, a step waits for the device.
   *
   * @throws DivergedError where the loss or a gradient is not finite and no loss scale is there to handle it, or that has skipped too many steps in
   *   a row; the weights are then as before.
   */
  finish(): StepResult {
    if (!this.#begun) throw new Error("Trainer.finish: begin() a step first");
    const { step, values } = this.#begun;
    this.#begun = undefined;
    const read = values.toArray();
    values.dispose();
    const { scale } = this.scaler; // the step's own: an update may change it
    const { accumulation } = this.recipe;
    const lr = this.schedule.at(step) * this.lrFactor;
    let [loss, labelLoss] = [0, 0];
    for (let part = 0; part < accumulation; part++) {
      loss += (read[2 * part] as number) / accumulation;
      labelLoss += (read[2 * part + 1] as number) / accumulation;
    }
    const finite = Number.isFinite(loss) && read[2 * accumulation] === 1;
    this.scaler.update(finite);
    if (finite) {
      this.#optimizer.step(lr, 1 / scale);
      this.#tricks.stepped();
    } else {
      const hopeless = !this.scaler.active || this.scaler.gaveUp;
      const diverged = hopeless ? this.#divergence(step, lr, Number.isFinite(loss)) : undefined;
      this.#optimizer.skip();
      if (diverged) throw diverged;
    }
    return { loss, labelLoss, lr, skipped: !finite };
  }

  /** What went wrong in a step, where it began, and why that usually is. */
  #divergence(step: number, lr: number, lossFinite: boolean): DivergedError {
    const what = this.scaler.active
      ? `${this.scaler.skippedInRow} steps in a row were skipped, and no loss scale helps`
      : `${lossFinite ? "a gradient" : "the loss"} is not finite at lr ${lr.toPrecision(3)}`;
    const cause =
      step === 0
        ? "before any update: look at the pictures' normalisation (--mean, --std) and at the weights it starts from"
        : "try a smaller --lr or a longer --warmup, or --on-divergence lower-lr";
    return new DivergedError(
      `step ${step + 1}: ${what}; the first bad value is in ${firstBadValue(this.model)}: ${cause}`,
    );
  }

  /** @throws DivergedError where the weights hold what is not finite: one engine's ReLU would make zeros of it */
  requireFiniteWeights(): void {
    const bad = firstBadTensor([...this.state, ...(this.#tricks.weights() ?? [])]);
    if (bad === undefined) return;
    throw new DivergedError(
      `the weights have run away: ${bad} is not finite; try a smaller --lr or a longer --warmup, or --on-divergence lower-lr`,
    );
  }

  /**
   * Forward and backward of one part, to be called in a scope; the gradients add up to the mean over the whole batch.
   *
   * @returns the loss and the label loss, [1] each
   */
  #accumulate({ images: clean, labels }: PreparedBatch, step: number, part: number): Tensor[] {
    const hard = this.#targets.of(labels);
    const unchanged = { images: clean, targets: this.#tricks.targets(hard, step, part), shares: hard };
    const batch = this.#tricks.batch(unchanged, step, part);
    const own = (whole: Tensor) => this.#replica?.own(whole) ?? whole;
    const targets = own(this.#tricks.weighted(batch, step, part));
    const images = this.#tricks.mixes ? own(batch.images) : batch.images;
    const [logits, auxiliary] = this.#passes.forward(images);
    const labelLoss = this.#criterion(logits, targets);
    const supervised = auxiliary ? add(labelLoss, this.#criterion(auxiliary, targets), AUXILIARY_WEIGHT) : labelLoss;
    const loss = this.#tricks.loss(supervised, { images, logits }, step, part);
    const { share = 1 } = this.#replica ?? {};
    this.#passes.backward(mulScalar(loss, (this.scaler.scale * share) / this.recipe.accumulation), part > 0);
    return [loss, labelLoss].map((value) => reshape(detach(value), [1]));
  }

  /**
   * On the validation images, with the weights that `weights()` saves: float32, averaged where a trick averages them.
   *
   * @param batches the validation images, each once
   * @throws DivergedError as `requireFiniteWeights`
   */
  async evaluate(batches: AsyncIterable<Batch>): Promise<Evaluation> {
    this.requireFiniteWeights();
    const { model, data, device } = this;
    const format = { ...data.train, labelSets: data.validation.labelSets };
    const { gathered } = this.#replica ?? {};
    const run = () => evaluate(model, batches, { format, device, gathered, logits: this.#passes.evaluation() });
    return this.#withMasters(() => this.#withReplacedWeights(run));
  }

  /** Runs `body` while the 16-bit parameters hold their float32 masters. */
  async #withMasters<T>(body: () => Promise<T>): Promise<T> {
    const lowered = noGradient(() =>
      Array.from(this.masters.keys(), (parameter) => ({ parameter, data: detach(parameter).keep() })),
    );
    for (const [parameter, master] of this.masters) setData(parameter, master);
    try {
      return await body();
    } finally {
      for (const { parameter, data } of lowered) {
        setData(parameter, data);
        data.dispose();
      }
    }
  }

  /** Runs `body` while the model holds what tricks put in place of its own values. */
  async #withReplacedWeights<T>(body: () => Promise<T>): Promise<T> {
    const replaced = this.#tricks.weights();
    if (!replaced) return body();
    const own = new Map([...this.model.state()].filter(([name]) => replaced.has(name)));
    const saved = noGradient(() => new Map(Array.from(own, ([name, tensor]) => [name, clone(tensor).keep()])));
    copyAll(own, replaced);
    try {
      return await body();
    } finally {
      copyAll(own, saved);
      for (const tensor of saved.values()) tensor.dispose();
    }
  }

  /** The weights to use the model with: float32, averaged where a trick averages them. */
  weights(): Map<string, RawTensor> {
    return snapshot(new Map([...this.state, ...(this.#tricks.weights() ?? [])]));
  }

  /** Everything that steps change, where it lies. */
  #kept(): Map<string, Tensor> {
    const tricks = Array.from(this.#tricks.kept(), ([name, tensor]): [string, Tensor] => [KEPT + name, tensor]);
    const replaced = Array.from(this.#tricks.weights() ?? [], ([name, tensor]): [string, Tensor] => [
      RAW_WEIGHTS + name,
      tensor,
    ]);
    const masters = [...this.state].filter(([, tensor]) => !(tensor instanceof Parameter));
    const named = masters.map(([name, tensor]): [string, Tensor] => [`float32 ${name}`, tensor]);
    return new Map([...this.model.state(), ...named, ...replaced, ...this.#optimizer.state(), ...tricks]);
  }

  /** @throws KnackError where several processes train the model and one of them has other weights. @param when for the message */
  requireSameEverywhere(when: string): void {
    this.#replica?.requireSame(this.#kept(), when);
  }

  /** What a resumed run needs beside `weights()`. */
  trainingState(): { tensors: Map<string, RawTensor>; counters: TrainerState } {
    const raw = this.#tricks.weights() ? snapshot(this.state, RAW_WEIGHTS) : [];
    const tensors = new Map([...snapshot(this.#optimizer.state()), ...raw, ...snapshot(this.#tricks.kept(), KEPT)]);
    const { scale: lossScale, goodSteps, skippedSteps, skippedInRow } = this.scaler;
    return { tensors, counters: { lossScale, goodSteps, skippedSteps, skippedInRow, lrFactor: this.lrFactor } };
  }

  /** Goes back to a saved state: the next step gives the same bits as it would have then. @throws InputError where it does not fit. */
  restore(weights: ReadonlyMap<string, RawTensor>, tensors: ReadonlyMap<string, RawTensor>, counters: TrainerState) {
    const replaced = this.#tricks.weights();
    const raw = new Map(
      Array.from(tensors)
        .filter(([name]) => name.startsWith(RAW_WEIGHTS))
        .map(([name, tensor]) => [name.slice(RAW_WEIGHTS.length), tensor]),
    );
    this.load(replaced ? raw : weights);
    if (replaced) copyFrom(weights, replaced);
    const kept = Array.from(this.#tricks.kept(), ([name, tensor]): [string, Tensor] => [KEPT + name, tensor]);
    const saved = new Map([...this.#optimizer.state(), ...kept]);
    for (const [name, { shape }] of saved) {
      if (tensors.get(name)?.shape.join() === shape.join()) continue;
      const [kind, ...of] = name.split(".");
      const what = name.startsWith(KEPT) ? `tensor ${name}` : `${kind} of ${of.join(".")}`;
      throw new InputError(`the checkpoint: its training state has no ${what} with shape [${shape}]`);
    }
    copyFrom(tensors, saved);
    this.scaler.scale = counters.lossScale;
    this.scaler.goodSteps = counters.goodSteps;
    this.scaler.skippedInRow = counters.skippedInRow;
    this.lrFactor = counters.lrFactor;
    this.scaler.skippedSteps = counters.skippedSteps;
  }

  /** Replaces the weights, in the model and in the float32 masters. @throws InputError where they do not fit. */
  load(weights: ReadonlyMap<string, RawTensor>): void {
    loadStateDict(this.model, weights, "the checkpoint");
    copyFrom(weights, this.state);
  }

  dispose(): void {
    this.#begun?.values.dispose();
    this.#passes.dispose();
    this.#targets[Symbol.dispose]();
    this.model.dispose();
    this.#optimizer.dispose();
    this.#tricks.dispose();
    for (const master of this.masters.values()) master.dispose();
  }
}

function optimizerNamed(name: string): OptimizerPart {
  return OPTIMIZERS.find((optimizer) => optimizer.name === name) as OptimizerPart;
}
