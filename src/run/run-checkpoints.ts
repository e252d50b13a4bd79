import { InputError } from "../base/errors.js";
import type { Doing } from "../base/thread-stream.js";
import type { Trainer } from "../training/trainer.js";
import { type Checkpoint, loadResumable, saveCheckpoint, type TrainingState } from "../weights/checkpoint.js";
import type { CheckpointConfig } from "../weights/config.js";
import { checkpointConfig } from "./checkpoint-config.js";
import { CheckpointClock, type CheckpointPolicy } from "./checkpoint-policy.js";
import type { CheckpointEvent } from "./events.js";
import { SAVING } from "./phases.js";
import type { RunFolder } from "./run-folder.js";
import { type Position, parseRunState, type RunState } from "./run-state.js";

/** The checkpoints of a run under way: when they are written, and what it goes on from. */
export class RunCheckpoints {
  /** The position that `checkpoints/last` is of. */
  #saved: Position | undefined;
  readonly #clock: CheckpointClock;

  constructor(
    private readonly trainer: Trainer,
    private readonly run: RunFolder,
    private readonly policy: CheckpointPolicy,
    private readonly tell: (doing: Doing) => void,
  ) {
    this.#clock = new CheckpointClock(policy.every);
  }

  /** Optimizer steps that were done at the checkpoint that the run would go on from; undefined where there is none. */
  get savedStep(): number | undefined {
    return this.#saved && this.stepOf(this.#saved);
  }

  /** Optimizer steps done since the run's beginning. */
  stepOf({ epoch, stepInEpoch }: Position): number {
    return epoch * this.trainer.stepsPerEpoch + stepInEpoch;
  }

  /** Whether the run is to be saved inside of an epoch. */
  isDue(position: Position): boolean {
    return this.#clock.isDue(this.stepOf(position));
  }

  /** Once at each position. @param seconds of training so far */
  saveLast(position: Position, seconds: number): CheckpointEvent {
    const path = this.run.lastCheckpoint;
    if (this.#saved !== position) {
      this.tell(SAVING);
      const { tensors: training, counters } = this.trainer.trainingState();
      const state: RunState = {
        position: { ...position, seconds },
        counters,
        trainImages: this.trainer.data.train.count,
      };
      const sameStep = this.savedStep === this.stepOf(position);
      saveCheckpoint(path, this.#checkpoint(position), { training, state }, { keep: this.policy.keep, sameStep });
      this.#saved = position;
      this.#clock.written();
    }
    return this.#event(path, "last", position);
  }

  saveBest(position: Position): CheckpointEvent {
    this.tell(SAVING);
    const path = this.run.bestCheckpoint;
    saveCheckpoint(path, this.#checkpoint(position));
    return this.#event(path, "best", position);
  }

  /**
   * Brings the trainer to where it was at a checkpoint.
   *
   * @throws InputError where that is of another model or other data
   */
  restore({ weights, config, training, state }: Checkpoint & TrainingState): Position {
    const path = this.run.lastCheckpoint;
    const { position, counters, trainImages } = parseRunState(state, path);
    const model = ({ architecture, num_classes }: CheckpointConfig) => `${architecture} for ${num_classes} classes`;
    const own = this.#config(position);
    if (model(config) !== model(own)) {
      throw new InputError(`${path} holds ${model(config)}, but the run is of ${model(own)}`);
    }
    const { train } = this.trainer.data;
    if (trainImages !== train.count) {
      throw new InputError(`${path} was trained on ${trainImages} images, ${train.name} has ${train.count} now`);
    }
    this.trainer.restore(weights, training, counters);
    this.run.truncateMetrics(this.stepOf(position), position.epoch);
    this.#saved = position;
    return position;
  }

  /** The last one. @throws InputError where none is whole */
  load(): Checkpoint & TrainingState {
    return loadResumable(this.run.lastCheckpoint);
  }

  #checkpoint(position: Position): Checkpoint {
    const { trainer } = this;
    return {
      weights: trainer.weights(),
      config: this.#config(position),
      convolutions: trainer.engine.choices?.toKeep(),
    };
  }

  #config(position: Position): CheckpointConfig {
    return checkpointConfig(this.trainer, { ...position, step: this.stepOf(position) });
  }

  #event(path: string, kind: "last" | "best", position: Position): CheckpointEvent {
    return { type: "checkpoint", path, kind, epoch: position.epoch, step: this.stepOf(position) };
  }
}
