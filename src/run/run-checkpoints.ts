import { InputError } from "../base/errors.js";
import type { Doing } from "../base/thread-stream.js";
import type { Recipe } from "../recipe/recipe.js";
import type { Trainer } from "../training/trainer.js";
import { type Checkpoint, loadResumable, saveCheckpoint, type TrainingState } from "../weights/checkpoint.js";
import type { CheckpointConfig } from "../weights/config.js";
import { checkpointConfig } from "./checkpoint-config.js";
import { CheckpointClock, type CheckpointPolicy } from "./checkpoint-policy.js";
import type { CheckpointEvent } from "./events.js";
import { SAVING } from "./phases.js";
import type { RunFolder } from "./run-folder.js";
import { type Position, parseRunState, type RunState } from "./run-state.js";

/** What is saved, where and when. */
interface CheckpointedRun {
  readonly trainer: Trainer;
  /** As the run's folder has it. */
  readonly recipe: Recipe;
  readonly run: RunFolder;
  readonly policy: CheckpointPolicy;
  readonly tell: (doing: Doing) => void;
}

/** The checkpoints of a run under way: when they are written, and what it goes on from. */
export class RunCheckpoints {
  /** The position that `checkpoints/last` is of. */
  #saved: Position | undefined;
  readonly #clock: CheckpointClock;

  constructor(private readonly of: CheckpointedRun) {
    this.#clock = new CheckpointClock(of.policy.every);
  }

  /** Optimizer steps that were done at the checkpoint that the run would go on from; undefined where there is none. */
  get savedStep(): number | undefined {
    return this.#saved && this.stepOf(this.#saved);
  }

  /** Optimizer steps done since the run's beginning. */
  stepOf({ epoch, stepInEpoch }: Position): number {
    return epoch * this.of.trainer.stepsPerEpoch + stepInEpoch;
  }

  /** Whether the run is to be saved inside of an epoch. */
  isDue(position: Position): boolean {
    return this.#clock.isDue(this.stepOf(position));
  }

  /** Once at each position. @param seconds of training so far */
  saveLast(position: Position, seconds: number): CheckpointEvent {
    const path = this.of.run.lastCheckpoint;
    if (this.#saved !== position && !this.of.run.isOwn) this.#saved = position;
    if (this.#saved !== position) {
      this.of.tell(SAVING);
      const { tensors: training, counters } = this.of.trainer.trainingState();
      const state: RunState = {
        position: { ...position, seconds },
        counters,
        trainImages: this.of.trainer.data.train.count,
        recipe: this.of.recipe,
      };
      const sameStep = this.savedStep === this.stepOf(position);
      saveCheckpoint(path, this.#checkpoint(position), { training, state }, { keep: this.of.policy.keep, sameStep });
      this.#saved = position;
      this.#clock.written();
    }
    return this.#event(path, "last", position);
  }

  saveBest(position: Position): CheckpointEvent {
    this.of.tell(SAVING);
    const path = this.of.run.bestCheckpoint;
    if (this.of.run.isOwn) saveCheckpoint(path, this.#checkpoint(position));
    return this.#event(path, "best", position);
  }

  /**
   * Brings the trainer to where it was at a checkpoint.
   *
   * @param at where that is, where epochs have another number of steps now
   * @throws InputError where that is of another model
   */
  restore({ weights, config, training, state }: Checkpoint & TrainingState, at?: Position): Position {
    const path = this.of.run.lastCheckpoint;
    const { position: saved, counters } = parseRunState(state, path);
    const position = at ?? saved;
    const model = ({ architecture, num_classes }: CheckpointConfig) => `${architecture} for ${num_classes} classes`;
    const own = this.#config(position);
    if (model(config) !== model(own)) {
      throw new InputError(`${path} holds ${model(config)}, but the run is of ${model(own)}`);
    }
    this.of.trainer.restore(weights, training, counters);
    this.of.run.truncateMetrics(position);
    this.#saved = position;
    return position;
  }

  /** The last one. @throws InputError where none is whole */
  load(): Checkpoint & TrainingState {
    return loadResumable(this.of.run.lastCheckpoint);
  }

  #checkpoint(position: Position): Checkpoint {
    const { trainer } = this.of;
    return {
      weights: trainer.weights(),
      config: this.#config(position),
      convolutions: trainer.engine.choices?.toKeep(),
    };
  }

  #config(position: Position): CheckpointConfig {
    return checkpointConfig(this.of.trainer, { ...position, step: this.stepOf(position) });
  }

  #event(path: string, kind: "last" | "best", position: Position): CheckpointEvent {
    return { type: "checkpoint", path, kind, epoch: position.epoch, step: this.stepOf(position) };
  }
}
