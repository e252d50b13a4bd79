import type { Batch } from "../data/loading/loader.js";
import { type PreparedBatch, SentBatch } from "./sent-batch.js";
import { DivergedError, InputError } from "../base/errors.js";
import { DEFAULT_ENGINE, type EngineChoice } from "../engine/engine-name.js";
import { AUXILIARY_WEIGHT } from "../models/auxiliary-network.js";
import { type Parts, partsOf } from "../models/parts.js";
import { checkTrainingSize, createModel, modelEntry } from "../models/registry.js";
import { Dropout } from "../nn/layers/dropout.js";
import { freezeStatistics } from "../nn/freeze-statistics.js";
import { xavierUniform } from "../nn/initialise.js";
import type { Module, Parameter } from "../nn/module.js";
import { moveTo } from "../nn/move-to.js";
import { fromRawTensor, loadStateDict, rawTensor } from "../nn/state-dict.js";
import { noGradient } from "../tensor/autograd.js";
import {
  add,
  concatenate,
  copyInPlace,
  crossEntropy,
  detach,
  mul,
  mulScalar,
  requireGradient,
  reshape,
  setData,
  toDevice,
} from "../tensor/ops.js";
import { seedFor } from "../tensor/random.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { scope } from "../tensor/scope.js";
import { Tensor } from "../tensor/tensor.js";
import { distillationLoss } from "../tricks/distillation.js";
import { targetDistribution } from "../tricks/label-smoothing.js";
import { lowerPrecision } from "../nn/precision.js";
import { LossScaler } from "../tricks/low-precision.js";
import { drawMixup, mixup } from "../tricks/mixup.js";
import { type DecayGroups, type NamedParameters, noBiasDecay } from "../tricks/no-bias-decay.js";
import { zeroGamma } from "../tricks/zero-gamma.js";
import { classWeights } from "../tricks/class-balance.js";
import { Ema } from "../tricks/ema.js";
import { type Evaluation, evaluate } from "./evaluate.js";
import { type InitialWeights, startFrom } from "../tricks/initial-weights.js";
import { checkAgainstData, checkTeacher, type Recipe } from "../recipe/recipe.js";
import { type LearningRateSchedule, learningRateSchedule } from "../optim/schedule.js";
import { Sgd } from "../optim/sgd.js";
import { Teacher } from "../tricks/teacher.js";
import type { TrainingData } from "../run/training-data.js";
import { TrainingPasses } from "./training-passes.js";

/** What one optimizer step came to. */
export interface StepResult {
  /** What is minimised, mean over the batch: the loss against the targets, the auxiliary head's share and the distillation term. */
  readonly loss: number;
  /** The part against the (smoothed, mixed) targets: l(p, softmax(z)). */
  readonly labelLoss: number;
  readonly lr: number;
}

/** The counters that a resumed run needs beside tensors. */
export interface TrainerState {
  readonly lossScale: number;
  readonly goodSteps: number;
  readonly skippedSteps: number;
}

const MOMENTUM = "momentum.";
const RAW_WEIGHTS = "weights.";

/**
 * A model being trained by a recipe: everything that happens in one optimizer step, and nothing about epochs, files or
 * progress. What is random in step s depends on (seed, s) alone.
 */
export class Trainer {
  readonly model: Module;
  readonly schedule: LearningRateSchedule;
  readonly stepsPerEpoch: number;
  readonly scaler: LossScaler;
  /** State dict names of the gammas that the zero-gamma trick set to 0. */
  readonly zeroedGammas: readonly string[];
  readonly decayGroups: DecayGroups;
  readonly teacher: Teacher | undefined;
  /** Float32 masters of the 16-bit parameters. */
  readonly masters: ReadonlyMap<Parameter, Tensor>;
  readonly #optimizer: Sgd;
  readonly #ema: Ema | undefined;
  readonly #classes: number;
  /** What was changed to make the initial weights fit; undefined where the run starts from random ones. */
  readonly initialNotes: readonly string[] | undefined;
  readonly parts: Parts;
  /** The weight of each class in the loss, [1, K]; undefined where all count the same. */
  readonly #classWeights: Tensor | undefined;
  readonly #dropouts: readonly { path: string; dropout: Dropout }[];
  readonly #passes: TrainingPasses;
  #frozen = false;
  /** The step under way: per part its loss and label loss, then whether the gradients are finite where that matters; float32 on the device. */
  #begun: { readonly step: number; readonly values: Tensor } | undefined;

  /**
   * @throws InputError where the recipe does not fit the data, the model, the engine or the teacher.
   */
  constructor(
    readonly recipe: Recipe,
    readonly data: TrainingData,
    readonly device: string,
    initial?: InitialWeights,
    engine: EngineChoice = DEFAULT_ENGINE,
  ) {
    const { train } = data;
    checkAgainstData(recipe, train.count);
    checkTeacher(recipe);
    this.stepsPerEpoch = Math.floor(train.count / recipe.batchSize);
    this.schedule = learningRateSchedule(recipe, this.stepsPerEpoch);
    this.scaler = new LossScaler(recipe.lossScale);
    this.#classes = train.classes.length;
    const task = { classes: this.#classes, inChannels: train.channels };
    checkTrainingSize(recipe.model, recipe.modelOptions, train.height, train.width);
    this.model = createModel(recipe.model, task, recipe.modelOptions);
    this.#dropouts = Array.from(this.model.modules()).flatMap(([path, module]) =>
      module instanceof Dropout ? [{ path, dropout: module }] : [],
    );
    xavierUniform(this.model, recipe.seed);
    this.initialNotes = initial && startFrom(this.model, modelEntry(recipe.model), initial);
    this.zeroedGammas = recipe.zeroGamma ? zeroGamma(this.model) : [];
    moveTo(this.model, device);
    this.masters = lowerPrecision(this.model, recipe.precision, device);
    this.decayGroups = recipe.noBiasDecay
      ? noBiasDecay(this.model)
      : { decayed: new Map(this.model.parameters()), undecayed: new Map() };
    this.parts = partsOf(this.model, modelEntry(recipe.model).classifiers);
    this.#classWeights =
      recipe.classBalance === "weights" ? classWeightTensor(train.labels, this.#classes, device) : undefined;
    this.#optimizer = new Sgd(
      [
        { parameters: this.decayGroups.decayed, weightDecay: recipe.weightDecay },
        { parameters: this.decayGroups.undecayed, weightDecay: 0 },
      ].flatMap(({ parameters, weightDecay }) => [
        { parameters: among(parameters, this.parts.backbone), weightDecay, lrFactor: recipe.backboneLr },
        { parameters: among(parameters, this.parts.head), weightDecay, lrFactor: 1 },
      ]),
      { momentum: recipe.momentum, nesterov: recipe.nesterov, masters: this.masters },
    );
    this.#ema = recipe.ema ? new Ema(this.#float32State(), recipe.ema.decay) : undefined;
    this.#passes = new TrainingPasses(this.model, {
      shape: [recipe.batchSize / recipe.accumulation, train.channels, train.height, train.width],
      precision: recipe.precision,
      masters: this.masters,
      device,
      engine,
    });
    this.teacher = recipe.distillation
      ? new Teacher(recipe.distillation.teacher ?? "", train, { precision: recipe.precision, device, engine })
      : undefined;
  }

  /** What computes the steps: "fast" or "plain". @throws InputError where "fast" was asked for and cannot. */
  get engine(): "fast" | "plain" {
    return this.#passes.engine;
  }

  /**
   * Sets what learns in an epoch: all, or in the first `freezeEpochs` only the head, while the backbone keeps its weights and
   * its BN statistics.
   */
  beginEpoch(epoch: number): void {
    const frozen = epoch < this.recipe.freezeEpochs;
    this.model.train();
    for (const parameter of this.parts.backbone) requireGradient(parameter, !frozen);
    this.#optimizer.frozen = frozen ? this.parts.backbone : new Set();
    if (frozen) freezeStatistics(this.model);
    if (frozen !== this.#frozen) this.#passes.modelChanged();
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
    const { accumulation, seed } = this.recipe;
    const size = batch.size / accumulation;
    const values = scope(() => {
      const losses: Tensor[] = [];
      for (let part = 0; part < accumulation; part++) {
        for (const { path, dropout } of this.#dropouts) dropout.seed = seedFor(seed, "dropout", path, step, part);
        const mixupSeed = seedFor(seed, "mixup", step, part);
        losses.push(...scope(() => this.#accumulate(batch.prepare(part * size, size), part, mixupSeed)));
      }
      const flags = this.scaler.active ? [this.#optimizer.gradientsFinite()] : [];
      return concatenate([...losses, ...flags], 0);
    });
    this.#begun = { step, values: values.keep() };
  }

  /**
   * Updates the weights by the step that was begun. Here, and only here, a step waits for the device.
   *
   * @throws DivergedError where the loss is not finite and no loss scale is there to handle it; the weights are then as before.
   */
  finish(): StepResult {
    if (!this.#begun) throw new Error("Trainer.finish: begin() a step first");
    const { step, values } = this.#begun;
    this.#begun = undefined;
    const read = values.toArray();
    values.dispose();
    const { accumulation } = this.recipe;
    const lr = this.schedule.at(step);
    let [loss, labelLoss] = [0, 0];
    for (let part = 0; part < accumulation; part++) {
      loss += (read[2 * part] as number) / accumulation;
      labelLoss += (read[2 * part + 1] as number) / accumulation;
    }
    if (!Number.isFinite(loss) && !this.scaler.active) {
      throw new DivergedError(
        `step ${step + 1}: the loss is not finite at lr ${lr.toPrecision(3)}: try a smaller --lr or a longer --warmup`,
      );
    }
    const finite = !this.scaler.active || read[2 * accumulation] === 1;
    if (finite) this.#optimizer.step(lr, 1 / this.scaler.scale);
    else this.#optimizer.clearGradients();
    this.scaler.update(finite);
    if (finite) this.#ema?.update();
    return { loss, labelLoss, lr };
  }

  /**
   * Forward and backward of one part; the gradients add up to the mean over the whole batch.
   *
   * @returns the loss and the label loss, [1] each
   */
  #accumulate({ images: cleanImages, labels }: PreparedBatch, part: number, mixupSeed: number): Tensor[] {
    const { recipe } = this;
    return scope(() => {
      const clean = {
        images: cleanImages,
        targets: targetDistribution(labels, this.#classes, recipe.labelSmoothing),
      };
      const { images, targets: unweighted } = recipe.mixup
        ? mixup(clean.images, clean.targets, recipe.mixup, drawMixup(recipe.mixup, mixupSeed))
        : clean;
      const targets = this.#classWeights ? mul(unweighted, this.#classWeights) : unweighted;
      const [logits, auxiliary] = this.#passes.forward(images);
      const labelLoss = crossEntropy(logits, targets);
      const supervised = auxiliary ? add(labelLoss, crossEntropy(auxiliary, targets), AUXILIARY_WEIGHT) : labelLoss;
      const loss = this.#withDistillation(supervised, logits, images);
      this.#passes.backward(mulScalar(loss, this.scaler.scale / recipe.accumulation), part > 0);
      return [loss, labelLoss].map((value) => reshape(detach(value), [1]));
    });
  }

  #withDistillation(supervised: Tensor, logits: Tensor, images: Tensor): Tensor {
    const { distillation } = this.recipe;
    if (!distillation || !this.teacher) return supervised;
    const soft = distillationLoss(logits, this.teacher.logits(images), distillation);
    return add(mulScalar(supervised, distillation.hardWeight), soft, distillation.softWeight);
  }

  /**
   * On the validation images, with the weights that `weights()` saves: float32, averaged where the recipe averages them.
   *
   * @param batches the validation images, each once
   */
  evaluate(batches: AsyncIterable<Batch>): Promise<Evaluation> {
    const { model, data, device } = this;
    const run = () => evaluate(model, batches, { format: data.train, device, logits: this.#passes.evaluation() });
    return this.#withMasters(() => (this.#ema ? this.#ema.applied(model, run) : run()));
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

  /** The weights to use the model with: float32, averaged where the recipe averages them. */
  weights(): Map<string, RawTensor> {
    return snapshot(new Map([...this.#float32State(), ...(this.#ema?.averages ?? [])]));
  }

  /** What a resumed run needs beside `weights()`. */
  trainingState(): { tensors: Map<string, RawTensor>; counters: TrainerState } {
    const tensors = snapshot(this.#optimizer.momenta(), MOMENTUM);
    if (this.#ema) for (const [name, raw] of snapshot(this.#float32State(), RAW_WEIGHTS)) tensors.set(name, raw);
    const { scale: lossScale, goodSteps, skippedSteps } = this.scaler;
    return { tensors, counters: { lossScale, goodSteps, skippedSteps } };
  }

  /** Goes back to a saved state: the next step gives the same bits as it would have then. */
  restore(weights: ReadonlyMap<string, RawTensor>, tensors: ReadonlyMap<string, RawTensor>, counters: TrainerState) {
    const raw = new Map(
      Array.from(tensors)
        .filter(([name]) => name.startsWith(RAW_WEIGHTS))
        .map(([name, tensor]) => [name.slice(RAW_WEIGHTS.length), tensor]),
    );
    this.load(this.#ema ? raw : weights);
    if (this.#ema) copyFrom(weights, this.#ema.averages);
    for (const [name, { shape }] of this.#optimizer.momenta()) {
      if (tensors.get(MOMENTUM + name)?.shape.join() === shape.join()) continue;
      throw new InputError(`the checkpoint: its training state has no momentum of ${name} with shape [${shape}]`);
    }
    copyFrom(tensors, this.#optimizer.momenta(), MOMENTUM);
    this.scaler.scale = counters.lossScale;
    this.scaler.goodSteps = counters.goodSteps;
    this.scaler.skippedSteps = counters.skippedSteps;
  }

  /** Replaces the weights, in the model and in the float32 masters. @throws InputError where they do not fit. */
  load(weights: ReadonlyMap<string, RawTensor>): void {
    loadStateDict(this.model, weights, "the checkpoint");
    copyFrom(weights, this.#float32State());
  }

  dispose(): void {
    this.#begun?.values.dispose();
    this.#passes.dispose();
    this.model.dispose();
    this.#optimizer.dispose();
    this.#ema?.dispose();
    this.teacher?.dispose();
    this.#classWeights?.dispose();
    for (const master of this.masters.values()) master.dispose();
  }

  /** The model's state with 16-bit parameters by their masters. */
  #float32State(): Map<string, Tensor> {
    return new Map(
      Array.from(this.model.state(), ([name, tensor]) => [name, this.masters.get(tensor as Parameter) ?? tensor]),
    );
  }
}

function among(parameters: NamedParameters, some: ReadonlySet<Parameter>): NamedParameters {
  return new Map([...parameters].filter(([, parameter]) => some.has(parameter)));
}

function classWeightTensor(labels: Int32Array, classes: number, device: string): Tensor {
  return scope(() => toDevice(Tensor.from(classWeights(labels, classes), [1, classes]), device)).keep();
}

function snapshot(tensors: Iterable<[string, Tensor]>, prefix = ""): Map<string, RawTensor> {
  return new Map(Array.from(tensors, ([name, tensor]) => [prefix + name, rawTensor(tensor)]));
}

function copyFrom(raw: ReadonlyMap<string, RawTensor>, tensors: Iterable<[string, Tensor]>, prefix = ""): void {
  noGradient(() => {
    for (const [name, tensor] of tensors) {
      const source = raw.get(prefix + name);
      if (!source) continue;
      using values = fromRawTensor(source);
      copyInPlace(tensor, values);
    }
  });
}
