import type { Parameter } from "../../nn/module.js";
import { flag, fraction } from "../../settings/schema.js";
import { sgdUpdate } from "../../tensor/sgd-update.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { ParameterGroup } from "../parameter-groups.js";
import { type GroupStep, Optimizer, optimizerPart } from "./optimizer.js";

interface SgdSettings {
  readonly momentum: number;
  readonly nesterov: boolean;
}

/**
 * SGD with momentum as PyTorch computes it (Algorithm 1 of the paper, and its Nesterov form):
 * g <- grad + decay w; v <- m v + g; w <- w - lr (g + m v), or w - lr v without Nesterov.
 */
class Sgd extends Optimizer {
  readonly #settings: SgdSettings;

  constructor(groups: readonly ParameterGroup[], masters: ReadonlyMap<Parameter, Tensor>, settings: SgdSettings) {
    super(groups, masters, ["momentum"]);
    this.#settings = settings;
  }

  protected override update({ targets, gradients, buffers, lr, weightDecay, gradientScale }: GroupStep): void {
    const [momenta = []] = buffers;
    sgdUpdate(targets, gradients, momenta, { ...this.#settings, lr, weightDecay, gradientScale });
  }
}

export const sgd = optimizerPart({
  name: "sgd",
  shape: { momentum: fraction, nesterov: flag },
  defaults: { momentum: 0.9, nesterov: true },
  switches: [{ flags: "--momentum <value>", help: "momentum of Nesterov SGD", key: "momentum", reads: "number" }],
  create: (groups, settings, masters) => new Sgd(groups, masters, settings),
});
