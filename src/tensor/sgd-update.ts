import { addon } from "../native/torch/addon.js";
import { addEachInPlace, scaleEachInPlace } from "./ops.js";
import { Tensor } from "./tensor.js";

export interface SgdUpdate {
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  /** What the gradients are multiplied by first. */
  readonly gradientScale: number;
}

/**
 * g <- scale g + decay w; v <- m v + g; w <- w - lr (g + m v), or w - lr v without Nesterov: for each weight w with its gradient g and momentum v,
 * all float32. What the gradients hold afterwards is not defined. On a CPU all is done in one reading.
 */
export function sgdUpdate(
  weights: readonly Tensor[],
  gradients: readonly Tensor[],
  momenta: readonly Tensor[],
  { lr, momentum, nesterov, weightDecay, gradientScale }: SgdUpdate,
): void {
  if (weights[0]?.device === "cpu") {
    const handles = (tensors: readonly Tensor[]) => tensors.map(Tensor.handleOf);
    const [w, g, v] = [handles(weights), handles(gradients), handles(momenta)];
    addon.sgd(w, g, v, lr, momentum, weightDecay, gradientScale, nesterov);
    return;
  }
  if (gradientScale !== 1) scaleEachInPlace(gradients, gradientScale);
  if (weightDecay !== 0) addEachInPlace(gradients, weights, weightDecay);
  scaleEachInPlace(momenta, momentum);
  addEachInPlace(momenta, gradients);
  if (nesterov) addEachInPlace(gradients, momenta, momentum);
  addEachInPlace(weights, nesterov ? gradients : momenta, -lr);
}
