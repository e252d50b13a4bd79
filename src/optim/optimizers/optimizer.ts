import type { Parameter } from "../../nn/module.js";
import type { Shape, Values } from "../../settings/schema.js";
import type { Switch } from "../../settings/switches.js";
import { clearGradient, gradientOf, noGradient } from "../../tensor/autograd.js";
import { all, concatenate, copyInPlace, finite, mulEach, normEach, reshape, toDType } from "../../tensor/ops.js";
import { zerosSideBySide } from "../../tensor/packed-memory.js";
import { scope } from "../../tensor/scope.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { ParameterGroup } from "../parameter-groups.js";

/** An optimizer as a part of knack: one file, and one line in the list of `index.ts`. */
export interface OptimizerPart<S extends Shape = Shape> {
  /** "sgd", as the recipe's key `optimizer` has it. */
  readonly name: string;
  /** Its keys in a recipe. */
  readonly shape: S;
  readonly defaults: Values<S>;
  readonly switches: readonly Switch[];
  /** @param masters what is updated in place of a 16-bit parameter: its float32 master */
  create(groups: readonly ParameterGroup[], settings: Values<S>, masters: ReadonlyMap<Parameter, Tensor>): Optimizer;
}

/** The same, its keys and their values told apart by the compiler. */
export function optimizerPart<S extends Shape>(part: OptimizerPart<S>): OptimizerPart<S> {
  return part;
}

/** A parameter, what is updated for it, and what the optimizer remembers of it. */
export interface Slot {
  readonly name: string;
  readonly parameter: Parameter;
  /** What the update is applied to: the float32 master, or the parameter itself. */
  readonly target: Tensor;
  /** Float32 of the parameter's shape, one for each name of `buffers`, 0 at first. */
  readonly buffers: readonly Tensor[];
}

/** Parameters of one group that learn in this step, with the gradients, which are float32 and may be overwritten. */
export interface GroupStep extends Omit<ParameterGroup, "parameters"> {
  readonly targets: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  /** The optimizer's first buffers of all of them, its second, and so on. */
  readonly buffers: readonly (readonly Tensor[])[];
  /** The group's own: `lrFactor` is in it. */
  readonly lr: number;
  /** What the gradients are to be multiplied by first: one over the loss scale. */
  readonly gradientScale: number;
}

interface Group extends Omit<ParameterGroup, "parameters"> {
  readonly slots: readonly Slot[];
}

/**
 * What all optimizers share: groups, float32 masters, frozen parameters, named state that a checkpoint keeps. A subclass says in
 * `update` what one step does.
 */
export abstract class Optimizer {
  /** Parameters that steps leave as they are, with their state; they need no gradient. */
  frozen: ReadonlySet<Parameter> = new Set();
  /**
   * Where a step takes a second gradient, at weights moved there first (as SAM's): moves them by the gradients there are, and clears these.
   * `step` and `skip` begin by moving them back.
   */
  ascend?(gradientScale: number): void;
  readonly #groups: readonly Group[];
  readonly #bufferNames: readonly string[];

  /** @param bufferNames of what is remembered of each parameter: "momentum" */
  constructor(
    groups: readonly ParameterGroup[],
    masters: ReadonlyMap<Parameter, Tensor>,
    bufferNames: readonly string[],
  ) {
    this.#bufferNames = bufferNames;
    const targetOf = (parameter: Parameter) => masters.get(parameter) ?? parameter;
    const targets = groups.flatMap(({ parameters }) => Array.from(parameters.values(), targetOf));
    const [first] = targets;
    const shapes = targets.map(({ shape }) => shape);
    const buffers = bufferNames.map(() =>
      scope(() => zerosSideBySide(shapes, first?.device ?? "cpu").map((buffer) => buffer.keep())),
    );
    let next = 0;
    this.#groups = groups.map(({ parameters, ...group }) => ({
      ...group,
      slots: Array.from(parameters, ([name, parameter]) => {
        const own = buffers.map((each) => each[next] as Tensor);
        next += 1;
        return { name, parameter, target: targetOf(parameter), buffers: own };
      }),
    }));
  }

  /** Updates the targets, and the buffers, of one group in place. Runs without gradients being noted, in a scope. */
  protected abstract update(step: GroupStep): void;

  /**
   * One update from the accumulated gradients, which are cleared.
   *
   * @param gradientScale what the gradients are multiplied by first: one over the loss scale.
   */
  step(learningRate: number, gradientScale: number): void {
    noGradient(() =>
      scope(() => {
        for (const { slots, weightDecay, lrFactor } of this.learning()) {
          this.update({
            weightDecay,
            lrFactor,
            lr: learningRate * lrFactor,
            gradientScale,
            targets: slots.map(({ target }) => target),
            gradients: slots.map((slot) => toDType(gradientOfSlot(slot), "float32")),
            buffers: this.#bufferNames.map((_, index) => slots.map(({ buffers }) => buffers[index] as Tensor)),
          });
          for (const { parameter, target } of slots) if (parameter !== target) copyInPlace(parameter, target);
        }
      }),
    );
    this.clearGradients();
  }

  /** In place of a step whose gradients are not finite. */
  skip(): void {
    this.clearGradients();
  }

  /** Whether all accumulated gradients are finite, 1 or 0, as a float32 [1] on their device: who reads it waits for what that computes. */
  gradientsFinite(): Tensor {
    return noGradient(() =>
      scope(() => {
        const gradients = this.learning().flatMap(({ slots }) => slots.map(gradientOfSlot));
        const dtypes = [...new Set(gradients.map(({ dtype }) => dtype))];
        const flags = dtypes.map((dtype) => allFinite(gradients.filter((gradient) => gradient.dtype === dtype)));
        return reshape(toDType(all(concatenate(flags, 0)), "float32"), [1]);
      }),
    );
  }

  /** What a checkpoint keeps of it, by name: "momentum.layer1.0.conv1.weight". */
  *state(): IterableIterator<[string, Tensor]> {
    for (const [index, buffer] of this.#bufferNames.entries()) {
      for (const { slots } of this.#groups) {
        for (const { name, buffers } of slots) yield [`${buffer}.${name}`, buffers[index] as Tensor];
      }
    }
  }

  dispose(): void {
    for (const [, buffer] of this.state()) buffer.dispose();
  }

  protected clearGradients(): void {
    for (const { slots } of this.learning()) for (const { parameter } of slots) clearGradient(parameter);
  }

  /** The groups without what is frozen. */
  protected learning(): Group[] {
    return this.#groups.map((group) => ({
      ...group,
      slots: group.slots.filter(({ parameter }) => !this.frozen.has(parameter)),
    }));
  }
}

export function gradientOfSlot({ name, parameter }: Slot): Tensor {
  const gradient = gradientOf(parameter);
  if (gradient === null) throw new Error(`${name} has no gradient: it does not take part in the loss`);
  return gradient;
}

/**
 * Of tensors of one dtype, a bool [1]: in few of a GPU's kernels, however many tensors. A number that is not finite is NaN times 0, which all sums
 * with it are then too.
 */
function allFinite(tensors: readonly Tensor[]): Tensor {
  // Without the copies that the products are; only squares may overflow. A GPU would have to be waited for.
  const direct = tensors[0]?.device === "cpu" ? finiteNorms(tensors) : undefined;
  if (Number(direct?.toArray()[0]) === 1) return direct as Tensor;
  return scope(() => finiteNorms(mulEach(tensors, 0)));
}

function finiteNorms(tensors: readonly Tensor[]): Tensor {
  return scope(() => {
    const norms = normEach(tensors).map((norm) => reshape(norm, [1]));
    return reshape(all(finite(concatenate(norms, 0))), [1]);
  });
}
