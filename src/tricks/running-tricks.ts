import { KnackError } from "../base/errors.js";
import type { Module, Parameter } from "../nn/module.js";
import { constantRate, type LearningRateSchedule } from "../optim/learning-rate.js";
import type { ParameterGroup } from "../optim/parameter-groups.js";
import type { CoreRecipe } from "../settings/core.js";
import { seedFor } from "../tensor/random.js";
import type { Criterion } from "../tasks/task.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";
import type { InitialWeights } from "../weights/initial-weights.js";
import { plannedRun } from "./planned-run.js";
import {
  type BatchPlace,
  type Moments,
  type Run,
  type SeenBatch,
  settingsOf,
  type Touched,
  type TrainingBatch,
  type Trick,
} from "./trick.js";

/** What one trick of a recipe did to a run. */
export interface TrickAudit {
  /** Its name, as messages call it: "no-bias-decay". */
  readonly trick: string;
  /** Whether the recipe asks for it. */
  readonly asked: boolean;
  /** How many things (parameters, layers, steps, images) it changed; 0 where it is off. */
  readonly touched: number;
  /** For people, with figures: "62 parameters without decay, 21 decayed". */
  readonly detail: string;
}

/** The tricks of one run, acting at its moments, in the order of their list. */
export class RunningTricks {
  readonly #keptBefore = new Map<string, Tensor>();
  readonly #all: readonly { readonly trick: Trick; readonly moments: Moments | false }[];

  constructor(
    tricks: readonly Trick[],
    private readonly run: Run,
  ) {
    this.#all = tricks.map((trick) => ({ trick, moments: started(trick, settingsOf(trick, run.recipe), run) }));
  }

  startsFrom(): InitialWeights | undefined {
    return this.#at("startsFrom")
      .map(({ act }) => act())
      .at(-1);
  }

  checked(): void {
    for (const { act } of this.#at("checked")) act();
  }

  /** The schedule of the run: its lr at every step, as each trick changes it. */
  schedule(): LearningRateSchedule {
    const { lr, epochs } = this.run.recipe;
    const constant = constantRate(lr, epochs, this.run.stepsPerEpoch);
    return this.#at("rate").reduce((schedule, { act }) => act(schedule), constant);
  }

  initialised(model: Module): void {
    for (const { act } of this.#at("initialised")) act(model);
  }

  /** @returns float32 without a loss scale, where no trick says otherwise */
  precision(): ReturnType<NonNullable<Moments["precision"]>> {
    const asked = this.#at("precision").map(({ act }) => act());
    return asked.at(-1) ?? { precision: "fp32", lossScale: "none" };
  }

  grouped(groups: readonly ParameterGroup[], model: Module): readonly ParameterGroup[] {
    return this.#at("grouped").reduce((divided, { act }) => act(divided, model), groups);
  }

  built(): void {
    for (const { act } of this.#at("built")) act();
  }

  get sampling(): "shuffle" | "balanced" {
    return this.#at("sampling").at(-1)?.act ?? "shuffle";
  }

  frozen(epoch: number): ReadonlySet<Parameter> {
    return new Set(this.#at("frozen").flatMap(({ act }) => [...act(epoch)]));
  }

  /** @param step 0-based step of the run. @param part of its batch */
  targets(labelled: Tensor, step: number, part: number): Tensor {
    const place = this.#placeOf(step, part);
    return this.#at("targets").reduce((targets, { trick, act }) => act(targets, place(trick)), labelled);
  }

  batch(batch: TrainingBatch, step: number, part: number): TrainingBatch {
    const place = this.#placeOf(step, part);
    return this.#at("batch").reduce((changed, { trick, act }) => {
      const { images, targets, shares = changed.shares } = act(changed, place(trick));
      return { images, targets, shares };
    }, batch);
  }

  /** Whether any acts on the images of a batch as a whole. */
  get mixes(): boolean {
    return this.#at("batch").length > 0;
  }

  /** @returns the batch's targets as the loss takes them */
  weighted(batch: TrainingBatch, step: number, part: number): Tensor {
    const place = this.#placeOf(step, part);
    const acting = this.#at("weighted");
    return acting.reduce((targets, { trick, act }) => act({ ...batch, targets }, place(trick)), batch.targets);
  }

  /** @param own the task's */
  criterion(own: Criterion): Criterion {
    return this.#at("criterion").at(-1)?.act ?? own;
  }

  loss(supervised: Tensor, seen: SeenBatch, step: number, part: number): Tensor {
    const place = this.#placeOf(step, part);
    return this.#at("loss").reduce((loss, { trick, act }) => act(loss, seen, place(trick)), supervised);
  }

  stepped(): void {
    scope(() => {
      for (const { act } of this.#at("stepped")) act();
    });
  }

  /** What stands for the model's own values in evaluation; undefined where they are used as they are. */
  weights(): ReadonlyMap<string, Tensor> | undefined {
    return this.#at("weights").at(-1)?.act();
  }

  /** What a checkpoint keeps of tricks, as "TRICK.NAME". */
  kept(): ReadonlyMap<string, Tensor> {
    const kept = this.#at("kept").flatMap(({ trick, act }) =>
      Array.from(act(), ([name, tensor]): [string, Tensor] => [`${trick.name}.${name}`, tensor]),
    );
    for (const [name, tensor] of kept) {
      const before = this.#keptBefore.get(name) ?? tensor;
      if (before !== tensor)
        throw new Error(`${name}: \`kept\` must give the same tensor each time, or a resumed run loses it`);
      this.#keptBefore.set(name, tensor);
    }
    return new Map(kept);
  }

  ended(finishedEpochs: number, improvedEpoch: number): boolean {
    return this.#at("ended").some(({ act }) => act(finishedEpochs, improvedEpoch));
  }

  /** Whether the best epoch's weights are the run's result, and not the last one's. */
  get bestCounts(): boolean {
    return this.#at("ended").length > 0;
  }

  /** A line for every trick of the paper, and for what else is on. */
  audit(): TrickAudit[] {
    return this.#all.flatMap(({ trick, moments }): TrickAudit[] => {
      const touched: Touched | undefined = moments ? moments.touched() : undefined;
      if (touched) {
        const { asked, count, detail } = touched;
        return [{ trick: trick.name, asked, touched: count, detail }];
      }
      return trick.section === undefined ? [] : [{ trick: trick.name, asked: false, touched: 0, detail: "off" }];
    });
  }

  /** The tricks that act at a moment, in their order. */
  actingAt(moment: keyof Moments): Trick[] {
    return this.#at(moment).map(({ trick }) => trick);
  }

  dispose(): void {
    for (const { act } of this.#at("dispose")) act();
  }

  /** Where a batch is, for each trick with a seed of its own. */
  #placeOf(step: number, part: number): (trick: Trick) => BatchPlace {
    const { seed } = this.run.recipe;
    return ({ name }) => ({ step, part, seed: seedFor(seed, name, step, part) });
  }

  #at<Moment extends keyof Moments>(moment: Moment): { trick: Trick; act: NonNullable<Moments[Moment]> }[] {
    return this.#all.flatMap(({ trick, moments }) => {
      const act = moments ? moments[moment] : undefined;
      return act === undefined ? [] : [{ trick, act }];
    });
  }
}

function started(trick: Trick, settings: ReturnType<typeof settingsOf>, run: Run): Moments | false {
  try {
    return trick.start(settings, run);
  } catch (error) {
    if (error instanceof KnackError) throw error;
    throw new Error(`the trick ${trick.name}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** The moments at which a trick acts where it is on. @param recipe any */
export function momentsOf(trick: Trick, recipe: CoreRecipe): ReadonlySet<keyof Moments> {
  const moments = started(trick, trick.paper, plannedRun(recipe, 1));
  return new Set(moments ? (Object.keys(moments) as (keyof Moments)[]) : []);
}
