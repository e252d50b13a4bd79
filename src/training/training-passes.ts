import { InputError } from "../base/errors.js";
import type { EngineChoice } from "../engine/engine-name.js";
import { FastEngine, whereSupported, whyNoFastEngine } from "../engine/engine.js";
import { CompiledInference } from "../engine/inference.js";
import { CompiledTraining } from "../engine/training.js";
import { AuxiliaryNetwork } from "../models/auxiliary-network.js";
import type { OperationTime } from "../native/cpu/addon.js";
import type { Module, Parameter } from "../nn/module.js";
import { COMPUTE_DTYPE, type Precision } from "../nn/precision.js";
import { backward } from "../tensor/autograd.js";
import { toDType } from "../tensor/ops.js";
import type { Tensor } from "../tensor/tensor.js";

export interface TrainingPassesOptions {
  /** [N, C, H, W] of one pass. */
  readonly shape: readonly [number, number, number, number];
  readonly precision: Precision;
  readonly masters: ReadonlyMap<Parameter, Tensor>;
  readonly device: string;
  readonly engine: EngineChoice;
  /** Why libtorch has to compute the steps, as a sentence's end; evaluations are the fast engine's all the same. */
  readonly onlyPlain?: string | undefined;
}

export interface ComputedBy {
  readonly engine: "fast" | "plain";
  /** What the fast engine lacks here, as a sentence's end, where the plain one was not asked for. */
  readonly whyPlain: string | undefined;
  /** Operators that the fast engine lacks and libtorch computes between its own: ["sigmoid", "mul"]. */
  readonly inLibtorch: readonly string[];
}

/**
 * A model's forward and backward passes in training and its evaluation, by the fast engine where that can, else by libtorch's operators and
 * autograd. Both leave gradients in the same place.
 */
export class TrainingPasses {
  readonly #fast: FastEngine | undefined;
  /** Compiled at first use, because what learns may change until then; null where the engine cannot. */
  #training: CompiledTraining | null | undefined;
  #evaluation: CompiledInference | null | undefined;
  /** The layer that the fast engine lacks. */
  #lacking = "";

  /** @throws InputError where the fast engine was asked for and is not there */
  constructor(
    private readonly model: Module,
    private readonly options: TrainingPassesOptions,
  ) {
    const { engine, device, precision, onlyPlain } = options;
    if (onlyPlain !== undefined && engine.engine === "fast") {
      throw new InputError(`engine (--engine): "fast" cannot compute this run: ${onlyPlain}; drop --engine`);
    }
    this.#fast = FastEngine.open(engine, { device, precision });
  }

  /** @throws InputError where "fast" was asked for and the model has a layer it lacks */
  get engine(): ComputedBy {
    const compiled = this.#compiled();
    if (compiled) return { engine: "fast", whyPlain: undefined, inLibtorch: compiled.inLibtorch };
    const { engine, device, precision, onlyPlain } = this.options;
    const isChosen = engine.engine === "plain" || device !== "cpu";
    const whyNot = () => onlyPlain ?? whyNoFastEngine({ device, precision }) ?? `it lacks ${this.#lacking}`;
    return { engine: "plain", whyPlain: isChosen ? undefined : whyNot(), inLibtorch: [] };
  }

  /** To be called where parameters or batch norms were frozen or freed. */
  modelChanged(): void {
    this.#training?.dispose();
    this.#training = undefined;
  }

  /** @param images [N, C, H, W] float32. @returns float32 logits, and those of an auxiliary classifier where the model has one. */
  forward(images: Tensor): readonly [Tensor, Tensor | undefined] {
    const compiled = this.#compiled();
    const [logits, auxiliary] = compiled
      ? compiled.forward(images)
      : trainingOutputs(this.model, toDType(images, COMPUTE_DTYPE[this.options.precision]));
    return [toDType(logits as Tensor, "float32"), auxiliary && toDType(auxiliary, "float32")];
  }

  /**
   * @param loss a scalar computed from what `forward` gave
   * @param accumulate whether the step's gradients are added to those of an earlier part of the batch
   */
  backward(loss: Tensor, accumulate: boolean): void {
    backward(loss);
    this.#training?.backward(accumulate);
  }

  /**
   * What computes float32 logits [N, classes] from images with the model's present, float32 weights; undefined for `model.forward`.
   *
   * @param bfloat16 whether it computes in bf16; the first call decides
   */
  evaluation(bfloat16 = false): ((images: Tensor) => Tensor) | undefined {
    if (this.#evaluation === undefined) {
      const { engine, shape } = this.options;
      const [, channels, height, width] = shape;
      const make = (fast: FastEngine) => new CompiledInference(fast, this.model, [channels, height, width], bfloat16);
      this.#evaluation = whereSupported(this.#fast, engine, make) ?? null;
    } else {
      this.#evaluation?.refresh();
    }
    const compiled = this.#evaluation;
    return compiled ? (images) => compiled.logits(images) : undefined;
  }

  /** From now on the fast engine measures each operation. */
  startTiming(): void {
    if (this.#fast) this.#fast.timed = true;
  }

  /** Seconds by kind of operation, the longest first, of all timed training passes, or evaluations where none was trained; empty for the plain engine. */
  times(): OperationTime[] {
    const [batch] = this.options.shape;
    const all = this.#training?.times() ?? this.#evaluation?.times(batch) ?? [];
    const kinds = [...new Set(all.map(({ kind }) => kind))];
    const sums = kinds.map((kind) => {
      const same = all.filter((operation) => operation.kind === kind);
      return {
        kind,
        forwardSeconds: same.reduce((sum, { forwardSeconds }) => sum + forwardSeconds, 0),
        backwardSeconds: same.reduce((sum, { backwardSeconds }) => sum + backwardSeconds, 0),
      };
    });
    const whole = (time: OperationTime) => time.forwardSeconds + time.backwardSeconds;
    return sums.sort((a, b) => whole(b) - whole(a));
  }

  dispose(): void {
    this.#training?.dispose();
    this.#evaluation?.dispose();
  }

  #compiled(): CompiledTraining | null {
    if (this.#training === undefined) {
      const { shape, masters, engine, onlyPlain } = this.options;
      const forward = (images: Tensor) => trainingOutputs(this.model, images);
      const make = (fast: FastEngine) => new CompiledTraining(fast, this.model, { shape, masters, forward });
      const lacks = (layer: string) => {
        this.#lacking = layer;
      };
      const fast = onlyPlain === undefined ? this.#fast : undefined;
      this.#training = whereSupported(fast, engine, make, lacks) ?? null;
    }
    return this.#training;
  }
}

/** Logits, and those of an auxiliary classifier where the model has one. */
function trainingOutputs(model: Module, images: Tensor): readonly [Tensor, ...Tensor[]] {
  if (!(model instanceof AuxiliaryNetwork)) return [model.forward(images)];
  const { logits, auxiliary } = model.forwardWithAuxiliary(images);
  return auxiliary ? [logits, auxiliary] : [logits];
}
