import { betweenZeroAndOne, offOr } from "../settings/schema.js";
import { noGradient } from "../tensor/autograd.js";
import { addEachInPlace, clone, scaleEachInPlace } from "../tensor/ops.js";
import type { Tensor } from "../tensor/tensor.js";
import { touched, trick } from "./trick.js";

/**
 * Exponential moving average of a model's float32 state (weights or their masters, and BN statistics), as timm's ModelEma:
 * average <- decay average + (1 - decay) value, after every step.
 */
export class Ema {
  /** By state dict name; integers are not averaged. */
  readonly averages: ReadonlyMap<string, Tensor>;
  readonly #values: readonly Tensor[];

  /** @param state the live values by state dict name */
  constructor(
    state: ReadonlyMap<string, Tensor>,
    private readonly decay: number,
  ) {
    const averaged = [...state].filter(([, value]) => value.dtype === "float32");
    this.#values = averaged.map(([, value]) => value);
    this.averages = noGradient(() => new Map(averaged.map(([name, value]) => [name, clone(value).keep()])));
  }

  update(): void {
    const averages = [...this.averages.values()];
    noGradient(() => {
      scaleEachInPlace(averages, this.decay);
      addEachInPlace(averages, this.#values, 1 - this.decay);
    });
  }

  dispose(): void {
    for (const average of this.averages.values()) average.dispose();
  }
}

/** Not in the paper: the averaging that libraries offer beside it, with their usual decay. */
export const ema = trick({
  name: "ema",
  summary: "exponential moving average of the weights",
  group: "tricks",
  switches: [
    {
      flags: "--ema <decay>",
      help: "average the weights over the steps, and evaluate the average",
      key: "ema.decay",
      reads: "number",
    },
    { flags: "--no-ema", help: "evaluate the weights as they are", key: "ema", value: false },
  ],
  shape: { ema: offOr({ decay: betweenZeroAndOne }) },
  off: { ema: false },
  paper: { ema: { decay: 0.9999 } },
  start: ({ ema }, run) => {
    if (!ema) return false;
    let average: Ema | undefined;
    return {
      built: () => {
        average = new Ema(run.state, ema.decay);
      },
      stepped: () => average?.update(),
      weights: () => average?.averages ?? new Map(),
      touched: () =>
        touched([...run.model.state()].length, `evaluated and saved weights are averages, decay ${ema.decay}`),
      dispose: () => average?.dispose(),
    };
  },
});
