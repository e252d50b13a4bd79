import type { Module } from "../nn/module.js";
import { noGradient } from "../tensor/autograd.js";
import { addEachInPlace, clone, copyInPlace, scaleEachInPlace } from "../tensor/ops.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Exponential moving average of a model's float32 state (weights or their masters, and BN statistics), as timm's ModelEma:
 * average <- decay average + (1 - decay) value, after every step.
 */
export class Ema {
  readonly #averages: Map<string, Tensor>;

  /** @param state the live values by state dict name; integers are not averaged. */
  constructor(
    private readonly state: ReadonlyMap<string, Tensor>,
    private readonly decay: number,
  ) {
    this.#averages = noGradient(
      () =>
        new Map(
          Array.from(state)
            .filter(([, value]) => value.dtype === "float32")
            .map(([name, value]) => [name, clone(value).keep()]),
        ),
    );
  }

  update(): void {
    const averages = [...this.#averages.values()];
    const values = Array.from(this.#averages.keys(), (name) => this.state.get(name) as Tensor);
    noGradient(() => {
      scaleEachInPlace(averages, this.decay);
      addEachInPlace(averages, values, 1 - this.decay);
    });
  }

  /** The averages by state dict name. */
  get averages(): ReadonlyMap<string, Tensor> {
    return this.#averages;
  }

  /** Runs `body` while the model holds the averages instead of its own values. */
  async applied<T>(model: Module, body: () => Promise<T>): Promise<T> {
    const own = new Map([...model.state()].filter(([name]) => this.#averages.has(name)));
    const saved = noGradient(() => new Map(Array.from(own, ([name, tensor]) => [name, clone(tensor).keep()])));
    copyAll(own, this.#averages);
    try {
      return await body();
    } finally {
      copyAll(own, saved);
      for (const tensor of saved.values()) tensor.dispose();
    }
  }

  dispose(): void {
    for (const average of this.#averages.values()) average.dispose();
  }
}

function copyAll(targets: ReadonlyMap<string, Tensor>, sources: ReadonlyMap<string, Tensor>): void {
  noGradient(() => {
    for (const [name, target] of targets) {
      const source = sources.get(name);
      if (source) copyInPlace(target, source);
    }
  });
}
