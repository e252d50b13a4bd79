import type { Loader } from "../data/loading/loader.js";
import type { LabelledSet } from "../data/split.js";
import { DivergedError, KnackError } from "../base/errors.js";
import { lackIn } from "../base/lack.js";
import type { Doing } from "../base/thread-stream.js";
import { betterBy } from "../metrics/metric.js";
import type { ProcessGroup } from "../tensor/process-group.js";
import type { Checkpoint, TrainingState } from "../weights/checkpoint.js";
import { type Evaluation, NothingToEvaluate } from "../training/evaluate.js";
import type { EpochEvent, TrainEvent } from "./events.js";
import { selectedMetric } from "../tricks/trick.js";
import type { GoingOn } from "./going-on.js";
import { lastMeasurements } from "./last-measurements.js";
import { fieldsOf } from "./metric-fields.js";
import { DRAWING, training as trainingFor, VALIDATING } from "./phases.js";
import { writeCurves } from "./plots.js";
import type { RunCheckpoints } from "./run-checkpoints.js";
import type { RunFolder } from "./run-folder.js";
import { type Position, START } from "./run-state.js";
import { hasTensorBoard, writeTensorBoard } from "./tensorboard/run-scalars.js";
import type { Trainer } from "../training/trainer.js";
import { endingAtStop, Stopped, untilStop } from "./until-stop.js";
import { warnings } from "./warnings.js";

/** Says what the run is at. */
export type Tell = (doing: Doing) => void;

/** Half of half the rate and so on, at most so far. */
const LEAST_LR_FACTOR = 2 ** -10;

/** Where a run's images come from. */
interface Loaders {
  readonly training: Loader;
  readonly validation: Loader;
  readonly workers: number;
  /** What is measured once, at the end. */
  readonly test: LabelledSet | undefined;
}

/** Who runs it, and with whom. */
interface Parent {
  readonly shouldStop: () => boolean;
  readonly tell: Tell;
  readonly group: ProcessGroup | undefined;
}

/** The epochs of a run: steps, evaluation, checkpoints and the record of them. */
export class Session {
  #position = START;
  /** Seconds of the longest step that this process did. */
  #longestStep: number | undefined;
  /** When this process began, in the clock of `performance.now()`, and what the run had taken before that. */
  #started = performance.now();
  #secondsBefore = 0;
  #epochStarted = 0;
  /** Seconds this process spent in steps of the epoch under way, those of them without a batch to work on, and how many steps it did. */
  #stepSeconds = 0;
  #waitSeconds = 0;
  #stepCount = 0;
  /** When the step before the one under way ended, or the epoch began, in the clock of `performance.now()`. */
  #stepEnded = 0;

  constructor(
    private readonly trainer: Trainer,
    private readonly loaders: Loaders,
    private readonly run: RunFolder,
    private readonly checkpoints: RunCheckpoints,
    private readonly parent: Parent,
  ) {}

  /** @param from what the run goes on from; undefined where it is new */
  async *events(
    audit: TrainEvent,
    from: (Checkpoint & TrainingState & Partial<GoingOn>) | undefined,
  ): AsyncGenerator<TrainEvent> {
    if (from) this.#goTo(this.checkpoints.restore(from, from.position));
    else this.run.appendMetric(audit);
    yield audit;
    if (from?.event) {
      yield this.#record(from.event);
      this.#saveAnew();
    }
    const lowers = this.trainer.recipe.onDivergence === "lower-lr";
    // What a divergence in the first epoch goes back to.
    if (lowers && !from) this.#saveLast();
    for (;;) {
      try {
        yield* this.#epochs();
        return;
      } catch (error) {
        if (!(error instanceof DivergedError && lowers && this.trainer.lrFactor > LEAST_LR_FACTOR))
          throw this.#withAdvice(error);
        yield this.#lowerRate(error);
      }
    }
  }

  /** What the machine did to the run, as a full disk, can be put right: the run goes on then. */
  #withAdvice(error: unknown): unknown {
    const known = lackIn(error) ?? error;
    if (!(known instanceof KnackError) || known instanceof DivergedError || known.exitCode === 2) return error;
    const { savedStep } = this.checkpoints;
    const saved =
      savedStep === undefined
        ? "nothing was saved yet"
        : `the run is saved up to step ${savedStep}: put that right, then go on with: knack train --resume ${this.run.path}`;
    return new KnackError(`${known.message}; ${saved}`, { cause: known });
  }

  /** Back to the last checkpoint, with half the rate. */
  #lowerRate({ message }: DivergedError): TrainEvent {
    const lrFactor = this.trainer.lrFactor / 2;
    this.#goTo(this.checkpoints.restore(this.checkpoints.load()));
    this.trainer.lrFactor = lrFactor;
    this.#saveAnew();
    return {
      type: "warning",
      message: `${message.split(":")[0]}: diverged; back to step ${this.#step}, from here with ${lrFactor} of the rate`,
    };
  }

  async *#epochs(): AsyncGenerator<TrainEvent> {
    while (this.#position.epoch < this.trainer.recipe.epochs && !this.#isStale()) {
      yield* this.#steps();
      const trained = this.#position.stepInEpoch === this.trainer.stepsPerEpoch;
      // Whatever becomes of the validation, the epoch's steps are not lost; one that ran away leaves the checkpoint before it.
      if (trained) {
        this.#refuseSkippedEpoch();
        this.trainer.requireSameEverywhere(`epoch ${this.#position.epoch + 1}`);
        this.trainer.requireFiniteWeights();
        // Where a divergence goes back, its own epoch is no place to go back to.
        if (this.trainer.recipe.onDivergence === "stop") this.#saveLast();
      }
      const evaluation = trained ? await this.#validated() : undefined;
      if (evaluation === undefined) {
        yield this.#saveLast();
        yield { type: "interrupted", run: this.run.path, epoch: this.#position.epoch + 1, step: this.#step };
        return;
      }
      yield* this.#endEpoch(evaluation);
    }
    yield* this.#lastMeasurements();
    const done = this.#record(this.#done());
    this.parent.tell(DRAWING);
    yield* this.#drawTensorBoard();
    yield done;
  }

  /** Optimizer steps done since the run's beginning. */
  get #step(): number {
    return this.checkpoints.stepOf(this.#position);
  }

  get #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#started) / 1000;
  }

  /** Whether a trick ends the run here. */
  #isStale(): boolean {
    const { epoch, best } = this.#position;
    return best !== null && this.trainer.ends(epoch, best.improved ?? best.epoch);
  }

  /** The rest of the epoch under way. */
  async *#steps(): AsyncGenerator<TrainEvent> {
    const { trainer } = this;
    this.parent.tell(trainingFor(this.#longestStep));
    this.#epochStarted = performance.now();
    this.#stepSeconds = 0;
    this.#waitSeconds = 0;
    this.#stepCount = 0;
    this.#stepEnded = performance.now();
    trainer.beginEpoch(this.#position.epoch);
    let waiting = performance.now();
    let begun = false;
    if (this.#stops()) return;
    for await (const batch of this.loaders.training.epoch(this.#position.epoch, this.#position.stepInEpoch)) {
      this.#waitSeconds += (performance.now() - waiting) / 1000;
      using sent = trainer.send(batch); // while a GPU still computes the step before
      if (begun) yield this.#finishStep();
      if (begun && this.checkpoints.isDue(this.#position)) yield this.#saveLast();
      begun = false;
      if (this.#stops()) return;
      trainer.begin(sent, this.#step);
      begun = true;
      waiting = performance.now();
    }
    if (begun) yield this.#finishStep();
  }

  /** Whether the run is to stop: of several processes all do, at the same step. */
  #stops(): boolean {
    const { group, shouldStop } = this.parent;
    if (!group) return shouldStop();
    group.busy = false; // a checkpoint may have been written
    return group.any(shouldStop());
  }

  #finishStep(): TrainEvent {
    const { trainer } = this;
    const { stepsPerEpoch, schedule, recipe, scaler } = trainer;
    const { loss, labelLoss, lr, skipped } = trainer.finish();
    const seconds = (performance.now() - this.#stepEnded) / 1000;
    this.#stepEnded = performance.now();
    this.#stepSeconds += seconds;
    this.#stepCount += 1;
    if (seconds > (this.#longestStep ?? 0)) {
      this.#longestStep = seconds;
      this.parent.tell(trainingFor(seconds));
    }
    const { stepInEpoch, lossSum, lossSteps = stepInEpoch } = this.#position;
    // A skipped step taught nothing, and its loss may be no number.
    const sums = skipped ? { lossSum, lossSteps } : { lossSum: lossSum + labelLoss, lossSteps: lossSteps + 1 };
    this.#position = { ...this.#position, stepInEpoch: stepInEpoch + 1, ...sums };
    return this.#record({
      type: "step",
      step: this.#step,
      totalSteps: schedule.totalSteps,
      epoch: this.#position.epoch + 1,
      epochs: recipe.epochs,
      stepInEpoch: stepInEpoch + 1,
      stepsPerEpoch,
      loss,
      labelLoss,
      lr,
      imagesPerSecond: recipe.batchSize / seconds,
      skippedSteps: scaler.skippedSteps,
      lossScale: scaler.scale,
    });
  }

  /** @returns undefined where the run is to stop */
  async #validated(): Promise<Evaluation | undefined> {
    const { epoch } = this.#position;
    this.parent.tell(VALIDATING);
    if (epoch + 1 < this.trainer.recipe.epochs) this.loaders.training.prepare(epoch + 1);
    const { group, shouldStop } = this.parent;
    try {
      const images = this.loaders.validation.all();
      if (!group) return await this.trainer.evaluate(untilStop(images, shouldStop));
      const evaluation = await this.trainer.evaluate(endingAtStop(images, shouldStop));
      return group.any(shouldStop()) ? undefined : evaluation;
    } catch (error) {
      if (error instanceof Stopped || (error instanceof NothingToEvaluate && shouldStop())) return undefined;
      throw error;
    }
  }

  async *#lastMeasurements(): AsyncGenerator<TrainEvent> {
    if (!this.run.isOwn) return;
    const { workers, test } = this.loaders;
    const { epoch: epochs, best } = this.#position;
    const { shouldStop, group } = this.parent;
    this.parent.tell(VALIDATING);
    if (group) group.busy = true; // the others only wait
    const finished = { trainer: this.trainer, workers, test, epochs, epoch: best?.epoch ?? epochs, shouldStop };
    for await (const event of lastMeasurements(this.run, finished)) {
      yield event.type === "test" ? this.#record(event) : event;
    }
  }

  /** @throws DivergedError where the loss scale skipped most steps of an epoch, up to its end: what was trained is no epoch */
  #refuseSkippedEpoch(): void {
    const { epoch, lossSteps, stepInEpoch } = this.#position;
    const taken = lossSteps ?? stepInEpoch;
    if (this.trainer.scaler.skippedInRow === 0 || 2 * taken >= stepInEpoch) return;
    throw new DivergedError(
      `epoch ${epoch + 1}: ${stepInEpoch - taken} of ${stepInEpoch} steps were skipped, because their gradients were not finite; try a smaller --lr or a longer --warmup`,
    );
  }

  *#endEpoch(evaluation: Evaluation): Generator<TrainEvent> {
    const { trainer } = this;
    const imagesPerSecond = (this.#stepCount * trainer.recipe.batchSize) / this.#stepSeconds;
    const { epoch, lossSum, lossSteps = trainer.stepsPerEpoch, best: earlier } = this.#position;
    const fields = fieldsOf(evaluation.metrics);
    if (!Number.isFinite(fields.validationLoss)) {
      throw new DivergedError(
        `epoch ${epoch + 1}: the validation loss is not finite: the weights have run away; try a smaller --lr or a longer --warmup`,
      );
    }
    const selected = selectedMetric(trainer);
    const better =
      earlier && betterBy(selected, evaluation.metrics[selected.name], earlier.evaluation.metrics[selected.name]);
    const best = better === null || better >= 0;
    const tied = better === 0 ? earlier : null;
    const improved = tied && (tied.improved ?? tied.epoch);
    const step = this.#step;
    this.#position = {
      epoch: epoch + 1,
      stepInEpoch: 0,
      lossSum: 0,
      lossSteps: 0,
      best: best ? { epoch: epoch + 1, evaluation, ...(improved !== null && { improved }) } : earlier,
      evaluation,
      seconds: this.#seconds,
    };
    const event: EpochEvent = {
      type: "epoch",
      epoch: epoch + 1,
      step,
      trainLoss: lossSum / lossSteps,
      ...fields,
      metrics: evaluation.metrics,
      imagesPerSecond: this.#stepCount > 0 ? imagesPerSecond : 0,
      lr: trainer.schedule.at(step - 1) * trainer.lrFactor,
      best,
      ...(tied && { tiedWith: tied.epoch }),
      waitSeconds: this.#waitSeconds,
      badPictures: this.#writeBadPictures(),
      seconds: (performance.now() - this.#epochStarted) / 1000,
    };
    yield this.#record(event);
    if (best) yield this.checkpoints.saveBest(this.#position);
    yield this.#saveLast();
    this.parent.tell(DRAWING);
    if (!this.run.isOwn) return;
    yield* warnings("curves.svg cannot be drawn", () => writeCurves(this.run.path, this.run.readCurves()));
    yield* this.#drawTensorBoard();
  }

  #drawTensorBoard(): Generator<TrainEvent> {
    return warnings("TensorBoard's events cannot be kept", () => {
      if (this.run.isOwn && hasTensorBoard(this.run.path)) writeTensorBoard(this.run.path, this.run.readMetrics());
    });
  }

  /** Keeps a list of the photographs that could not be read. @returns how many there are */
  #writeBadPictures(): number {
    const { badPictures } = this.loaders.training;
    const all = this.parent.group?.exchange(JSON.stringify([...badPictures])) ?? [];
    for (const [name, reason] of all.flatMap((text) => JSON.parse(text) as [string, string][]))
      badPictures.set(name, reason);
    if (badPictures.size > 0) this.run.writeJson("bad-pictures.json", Object.fromEntries(badPictures));
    return badPictures.size;
  }

  #saveLast(): TrainEvent {
    return this.checkpoints.saveLast(this.#position, this.#seconds);
  }

  /** At the same position, but otherwise: also a run that is stopped before its next checkpoint goes on so. */
  #saveAnew(): void {
    this.#position = { ...this.#position };
    this.#saveLast();
  }

  #goTo(position: Position): void {
    this.#position = position;
    this.#secondsBefore = position.seconds;
    this.#started = performance.now();
  }

  #done(): TrainEvent {
    const { evaluation: last, epoch: epochs, best } = this.#position;
    const restored = this.trainer.bestCounts ? best : null;
    const { metrics } = restored?.evaluation ?? last ?? { metrics: { "top-1": 0, "top-5": 0, loss: 0 } };
    const select = selectedMetric(this.trainer).name;
    return {
      type: "done",
      run: this.run.path,
      ...fieldsOf(metrics),
      metrics,
      epoch: restored?.epoch ?? epochs,
      bestTop1: best ? fieldsOf(best.evaluation.metrics).top1 : 0,
      best: best && { epoch: best.epoch, value: best.evaluation.metrics[select] ?? Number.NaN },
      seconds: this.#seconds,
      skippedSteps: this.trainer.scaler.skippedSteps,
    };
  }

  #record(event: TrainEvent): TrainEvent {
    this.run.appendMetric(event);
    return event;
  }
}
