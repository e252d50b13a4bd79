import { type Module, StateBuffer } from "./module.js";

/** Layers that keep statistics of what they see, in buffers of their own, use them from now on as they are, until the next `train()`. */
export function freezeStatistics(model: Module): void {
  for (const [, layer] of model.modules()) {
    const keeps = Array.from(layer.ownState()).some(([, tensor]) => tensor instanceof StateBuffer);
    if (keeps) layer.training = false;
  }
}
