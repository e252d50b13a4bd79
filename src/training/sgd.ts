import type { Parameter } from "../nn/module.js";
import { clearGradient, gradientOf, noGradient } from "../tensor/autograd.js";
import { all, concatenate, copyInPlace, finite, reshape, toDType } from "../tensor/ops.js";
import { scope } from "../tensor/scope.js";
import { sgdUpdate } from "../tensor/sgd-update.js";
import { zerosSideBySide } from "../tensor/side-by-side.js";
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

  /**
   * One update from the accumulated gradients, which are cleared.
   *
   * @param gradientScale what the gradients are multiplied by first: one over the loss scale.
   * @param checkFinite whether to look for overflow.
   * @returns false where a gradient was not finite: then nothing was changed.
   */
  step(learningRate: number, gradientScale: number, checkFinite: boolean): boolean {
    return noGradient(() =>
      scope(() => {
        const groups = this.#groups.map((group) => ({
          ...group,
          slots: group.slots.filter(({ parameter }) => !this.frozen.has(parameter)),
        }));
        const gradients = groups.map(({ slots }) => slots.map(takeGradient));
        if (checkFinite && !allFinite(gradients.flat())) return false;
        for (const [index, group] of groups.entries()) {
          this.#update(group, gradients[index] ?? [], { learningRate, gradientScale });
        }
        return true;
      }),
    );
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

/** The float32 gradient of a parameter, which then has none. */
function takeGradient({ name, parameter }: Slot): Tensor {
  const gradient = gradientOf(parameter);
  if (gradient === null) throw new Error(`${name} has no gradient: it does not take part in the loss`);
  clearGradient(parameter);
  return toDType(gradient, "float32");
}

/** Asks the device once, for all: on a GPU each question waits until everything before is computed. */
function allFinite(gradients: readonly Tensor[]): boolean {
  return scope(() => {
    const flags = gradients.map((gradient) => scope(() => reshape(all(finite(gradient)), [1])));
    return flags.length === 0 || all(concatenate(flags, 0)).item() === 1;
  });
}
