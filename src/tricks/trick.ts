/** What a trick is: its settings, its switches, and the moments of a run at which it acts. */
import type { Split } from "../data/split.js";
import type { EngineChoice } from "../engine/engine-name.js";
import { metricNamed } from "../metrics/index.js";
import type { MetricFacts } from "../metrics/metric.js";
import { type Parts, partsOf } from "../models/parts.js";
import { modelEntry } from "../models/registry.js";
import type { Module, Parameter } from "../nn/module.js";
import type { Precision } from "../nn/precision.js";
import type { LearningRateSchedule } from "../optim/learning-rate.js";
import type { LossScale } from "../optim/loss-scaler.js";
import type { ParameterGroup } from "../optim/parameter-groups.js";
import type { CoreRecipe } from "../settings/core.js";
import type { Problem, Shape, Values } from "../settings/schema.js";
import type { Switch } from "../settings/switches.js";
import { taskOf } from "../tasks/index.js";
import type { Criterion } from "../tasks/task.js";
import type { Tensor } from "../tensor/tensor.js";
import type { InitialWeights } from "../weights/initial-weights.js";

/** A run as a trick sees it. What is built later is there only in the moments after that. */
export interface Run {
  readonly recipe: CoreRecipe;
  readonly stepsPerEpoch: number;
  /** The training images. */
  readonly train: Split;
  readonly device: string;
  readonly engine: EngineChoice;
  /** What the step computes in. */
  readonly precision: Precision;
  /** The whole of it, as all tricks have made it. */
  readonly schedule: LearningRateSchedule;
  /** What `startsFrom` gave; undefined where the run starts from random weights, or goes on from its own. */
  readonly startsFrom: InitialWeights | undefined;
  /** From `initialised` on. */
  readonly model: Module;
  /** The float32 values that steps change (parameters or their masters, and statistics), by state dict name; from `built` on. */
  readonly state: ReadonlyMap<string, Tensor>;
}

/** Images and targets of one part of a step's batch. */
export interface TrainingBatch {
  /** [N, C, H, W] float32, normalised. */
  readonly images: Tensor;
  /** What the loss takes, [N, K] float32: distributions over the classes, or of several labels how far each is there. */
  readonly targets: Tensor;
  /** How much of each class an image shows, [N, K] float32: its labels, and mixed where images are; not smoothed. */
  readonly shares: Tensor;
}

/** A batch as a trick changed it; `shares` only where it mixes images. */
export type ChangedBatch = Omit<TrainingBatch, "shares"> & Partial<TrainingBatch>;

/** Where in a run a batch is: what is random about it follows from this alone. */
export interface BatchPlace {
  /** 0-based step of the run, and part of its batch. */
  readonly step: number;
  readonly part: number;
  /** Of the trick's own: another for each trick, seed of the recipe, step and part. */
  readonly seed: number;
}

/** What the network was given of a batch, and what it made of it. */
export interface SeenBatch {
  readonly images: Tensor;
  /** [N, K] float32. */
  readonly logits: Tensor;
}

/** What the audit says of a trick. */
export interface Touched {
  /** Whether the recipe asks for it. */
  readonly asked: boolean;
  /** How many things (parameters, layers, steps, images) it changes. Asked for and 0 is an error, with the detail as its reason. */
  readonly count: number;
  /** For people, with figures. */
  readonly detail: string;
}

/**
 * The moments of a run at which a trick acts, in the order in which they come. At each moment tricks act in the order of their
 * list; what one gives, the next one takes.
 *
 * `targets`, `batch`, `weighted`, `loss` and `stepped` run in a scope: a tensor that is not returned is freed, unless it is kept (`tensor.keep()`).
 */
export interface Moments {
  /** Trained weights to start from; asked for before the data are opened, because they say how images are normalised. */
  readonly startsFrom?: () => InitialWeights;
  /** Before anything is built. @throws InputError where the run cannot be as the settings want it */
  readonly checked?: () => void;
  /** The learning rate of a step. */
  readonly rate?: (schedule: LearningRateSchedule) => LearningRateSchedule;
  /** The model is initialised: on the CPU, float32, its weights random. */
  readonly initialised?: (model: Module) => void;
  /** What the step computes in. */
  readonly precision?: () => { readonly precision: Precision; readonly lossScale: LossScale };
  /** Parameters are grouped for the optimizer. */
  readonly grouped?: (groups: readonly ParameterGroup[], model: Module) => readonly ParameterGroup[];
  /** Everything is built; no step has been taken. */
  readonly built?: () => void;
  /** The order of an epoch's images: each once, or each class equally often. */
  readonly sampling?: "balanced";
  /** An epoch begins: the parameters that stay as they are in it, as do the statistics of their layers. */
  readonly frozen?: (epoch: number) => ReadonlySet<Parameter>;
  /** The targets of labels. @param targets [N, K], of 0 and 1 at first */
  readonly targets?: (targets: Tensor, place: BatchPlace) => Tensor;
  /** A batch of images and targets. */
  readonly batch?: (batch: TrainingBatch, place: BatchPlace) => ChangedBatch;
  /** The targets of a batch, times what its images weigh in the loss; after all that changes batches. */
  readonly weighted?: (batch: TrainingBatch, place: BatchPlace) => Tensor;
  /** What the logits are held against the targets by, in place of the task's own loss. */
  readonly criterion?: Criterion;
  /** The loss, a scalar. @param seen what the network was given and its float32 logits [N, K] */
  readonly loss?: (loss: Tensor, seen: SeenBatch, place: BatchPlace) => Tensor;
  /** The optimizer has updated the weights. */
  readonly stepped?: () => void;
  /** What the model is evaluated and saved with in place of its own values, by state dict name. */
  readonly weights?: () => ReadonlyMap<string, Tensor>;
  /** Tensors that a checkpoint keeps, by name: the same ones at each call, made in `built`. A resumed run copies what was kept into them. */
  readonly kept?: () => ReadonlyMap<string, Tensor>;
  /** An epoch was evaluated. @param improvedEpoch the last that was better than all before. @returns whether the run ends here, with its best weights */
  readonly ended?: (finishedEpochs: number, improvedEpoch: number) => boolean;
  /** For the audit, after `built`; undefined where there is nothing to say. */
  readonly touched: () => Touched | undefined;
  /** The run is over: frees what the trick holds. */
  readonly dispose?: () => void;
}

/** Where a run goes on otherwise than it began. */
export interface GoneOnFrom {
  /** Epochs trained, with the part of the one under way. */
  readonly epoch: number;
  /** The learning rate it had; null where it was given another. */
  readonly rate: number | null;
}

/** A trick: one file, and one line in the list of `index.ts`. */
export interface Trick<S extends Shape = Shape> {
  /** As the audit and messages call it: "label-smoothing". */
  readonly name: string;
  /** Of the paper, "5.2"; absent for what is not in it. */
  readonly section?: string;
  /** One line for the table of tricks. */
  readonly summary: string;
  /** Under which heading of --help its switches stand. */
  readonly group: "tricks" | "transfer";
  readonly switches: readonly Switch[];
  /** Its keys in a recipe. */
  readonly shape: S;
  /** Their values where it is off. */
  readonly off: Values<S>;
  /** Their values where it is on and nothing else is said: the paper's. */
  readonly paper: Values<S>;
  /**
   * What it does in a run; false where it is off and has nothing to say. Builds nothing yet, and reads nothing of the run but its `recipe`: it is
   * called to list the moments of a trick, too, without a run. What else a run has is read inside of the moments.
   */
  start(settings: Values<S>, run: Run): Moments | false;
  /** How it is switched as a row of an ablation, where that is not by `off` and `paper`. */
  readonly asSwitch?: {
    isOn?(settings: Values<S>, recipe: CoreRecipe): boolean;
    /** Settings for this recipe, where no others are given. */
    on?(recipe: CoreRecipe): Partial<Values<S> & CoreRecipe>;
    off?(settings: Values<S>, recipe: CoreRecipe): Partial<Values<S> & CoreRecipe>;
  };
  /** Which of its settings are paths, by the keys that lead there: "init.weights". */
  readonly paths?: readonly string[];
  /** Why the trick would change nothing in this recipe; undefined where it would. */
  idle?(settings: Values<S>, recipe: CoreRecipe): string | undefined;
  /** Keys that are right alone and wrong together. */
  problems?(settings: Values<S>, recipe: CoreRecipe): readonly Problem[];
  /** Fills in what a change of its keys leaves open, where that is not by the base's settings or the paper's. */
  completed?(changes: Readonly<Record<string, unknown>>, base: Values<S>): Readonly<Record<string, unknown>>;
  /** Its settings in a run of another length. @param scaled brings a number of epochs there */
  atEpochs?(settings: Values<S>, scaled: (epochs: number) => number): Values<S>;
  /** Its settings where a run goes on with other epochs or another rate. */
  goesOn?(settings: Values<S>, from: GoneOnFrom): Values<S>;
}

/** The same, its keys and their values told apart by the compiler. */
export function trick<S extends Shape>(definition: Trick<S>): Trick<S> {
  return definition;
}

/** The audit of a trick that is on. */
export function touched(count: number, detail: string): Touched {
  return { asked: true, count, detail };
}

/** The audit of a trick that is off. */
export function untouched(detail = "off"): Touched {
  return { asked: false, count: 0, detail };
}

/** The settings in a recipe of a trick, or of another part with a shape. */
export function settingsOf<S extends Shape>({ shape }: { readonly shape: S }, recipe: object): Values<S> {
  const keys = Object.keys(shape);
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => keys.includes(key))) as Values<S>;
}

/** Whether a recipe asks for a trick. */
export function isOn<S extends Shape>(trick: Trick<S>, recipe: CoreRecipe): boolean {
  const settings = settingsOf(trick, recipe);
  const { asSwitch, off } = trick;
  if (asSwitch?.isOn) return asSwitch.isOn(settings, recipe);
  return Object.entries(off).some(
    ([key, value]) => JSON.stringify(settings[key as keyof Values<S>]) !== JSON.stringify(value),
  );
}

/** What a trick is called in running text: "label smoothing". */
export function titleOf({ name }: Pick<Trick, "name">): string {
  return name.replaceAll("-", " ");
}

/** The name of what decides on the best epoch: the recipe's, or what is usual for images so labelled. */
export function selectFor(recipe: Pick<CoreRecipe, "select">, images: Pick<Split, "classes" | "labelSets">): string {
  return recipe.select ?? taskOf(images).select;
}

/** What decides on the best epoch. */
export function selectedMetric({ recipe, train }: Pick<Run, "recipe" | "train">): MetricFacts {
  return metricNamed(selectFor(recipe, train), taskOf(train).metrics);
}

/** The layers of a run's model that classify, and all before them. */
export function partsOfRun({ model, recipe }: Run): Parts {
  return partsOf(model, modelEntry(recipe.model).classifiers);
}
