import type { Parameter } from "../nn/module.js";
import { clearGradient, gradientOf, noGradient } from "../tensor/autograd.js";
import { all, concatenate, copyInPlace, finite, mulEach, normEach, reshape, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { sgdUpdate } from "../tensor/sgd-update.js";
import { zerosSideBySide } from "../tensor/packed-memory.js";
import type { Tensor } from "../tensor/tensor.js";
import type { NamedParameters } from "../tricks/no-bias-decay.js";

export interface ParameterGroup {
  readonly parameters: NamedParameters;
  readonly weightDecay: number;
  /** What the learning rate is multiplied by for these. */
  readonly lrFactor: number;
}

interface Slot {
  readonly name: string;
  readonly parameter: Parameter;
  /** What the update is applied to: the float32 master, or the parameter itself. */
  readonly target: Tensor;
  readonly momentum: Tensor;
}

interface Group {
  readonly slots: readonly Slot[];
  readonly weightDecay: number;
  readonly lrFactor: number;
}

/**
 * SGD with momentum as PyTorch computes it (Algorithm 1 of the paper, and its Nesterov form):
 * g <- grad + decay w; v <- m v + g; w <- w - lr (g + m v), or w - lr v without Nesterov.
 *
 * 16-bit parameters are updated through their float32 masters.
 */
export class Sgd {
  /** Parameters that steps leave as they are, with their momentum; they need no gradient. */
  frozen: ReadonlySet<Parameter> = new Set();
  readonly #groups: readonly Group[];
  readonly #momentum: number;
  readonly #nesterov: boolean;

  constructor(
    groups: readonly ParameterGroup[],
    options: { momentum: number; nesterov: boolean; masters: ReadonlyMap<Parameter, Tensor> },
  ) {
    this.#momentum = options.momentum;
    this.#nesterov = options.nesterov;
    const targetOf = (parameter: Parameter) => options.masters.get(parameter) ?? parameter;
    const targets = groups.flatMap(({ parameters }) => Array.from(parameters.values(), targetOf));
    const momenta = scope(() =>
      zerosSideBySide(
        targets.map(({ shape }) => shape),
        targets[0]?.device ?? "cpu",
      ).map((momentum) => momentum.keep()),
    );
    let next = 0;
    this.#groups = groups.map(({ parameters, weightDecay, lrFactor }) => ({
      weightDecay,
      lrFactor,
      slots: Array.from(parameters, ([name, parameter]) => ({
        name,
        parameter,
        target: targetOf(parameter),
        momentum: momenta[next++] as Tensor,
      })),
    }));
  }

  /** Whether all accumulated gradients are finite, 1 or 0, as a float32 [1] on their device: who reads it waits for what that computes. */
  gradientsFinite(): Tensor {
    return noGradient(() =>
      scope(() => {
        const gradients = this.#learning().flatMap(({ slots }) => slots.map(gradientOfSlot));
        const dtypes = [...new Set(gradients.map(({ dtype }) => dtype))];
        const flags = dtypes.map((dtype) => allFinite(gradients.filter((gradient) => gradient.dtype === dtype)));
        return reshape(toDType(all(concatenate(flags, 0)), "float32"), [1]);
      }),
    );
  }

  /**
   * One update from the accumulated gradients, which are cleared.
   *
   * @param gradientScale what the gradients are multiplied by first: one over the loss scale.
   */
  step(learningRate: number, gradientScale: number): void {
    noGradient(() =>
      scope(() => {
        for (const group of this.#learning()) {
          const gradients = group.slots.map((slot) => toDType(gradientOfSlot(slot), "float32"));
          this.#update(group, gradients, { learningRate, gradientScale });
        }
      }),
    );
    this.clearGradients();
  }

  /** In place of a step whose gradients are not finite. */
  clearGradients(): void {
    for (const { slots } of this.#learning()) for (const { parameter } of slots) clearGradient(parameter);
  }

  #learning(): Group[] {
    return this.#groups.map((group) => ({
      ...group,
      slots: group.slots.filter(({ parameter }) => !this.frozen.has(parameter)),
    }));
  }

  #update(
    { slots, weightDecay, lrFactor }: Group,
    gradients: Tensor[],
    { learningRate, gradientScale }: { learningRate: number; gradientScale: number },
  ) {
    const targets = slots.map((slot) => slot.target);
    const momenta = slots.map((slot) => slot.momentum);
    sgdUpdate(targets, gradients, momenta, {
      lr: learningRate * lrFactor,
      momentum: this.#momentum,
      nesterov: this.#nesterov,
      weightDecay,
      gradientScale,
    });
    for (const { parameter, target } of slots) if (parameter !== target) copyInPlace(parameter, target);
  }

  /** The momentum of every parameter by its name. */
  *momenta(): IterableIterator<[string, Tensor]> {
    for (const { slots } of this.#groups) for (const { name, momentum } of slots) yield [name, momentum];
  }

  dispose(): void {
    for (const [, momentum] of this.momenta()) momentum.dispose();
  }
}

function gradientOfSlot({ name, parameter }: Slot): Tensor {
  const gradient = gradientOf(parameter);
  if (gradient === null) throw new Error(`${name} has no gradient: it does not take part in the loss`);
  return gradient;
}

/**
 * Of tensors of one dtype, a bool [1]: in few of a GPU's kernels, however many tensors. A number that is not finite is NaN times 0, which all sums
 * with it are then too.
 */
function allFinite(tensors: readonly Tensor[]): Tensor {
  return scope(() => {
    const norms = normEach(mulEach(tensors, 0)).map((norm) => reshape(norm, [1]));
    return reshape(all(finite(concatenate(norms, 0))), [1]);
  });
}
