import { noGradient } from "../tensor/autograd.js";
import { Generator } from "../tensor/generator.js";
import { uniformInPlace } from "../tensor/ops.js";
import { seedFor } from "../tensor/random.js";
import type { Module } from "./module.js";

/**
 * The paper's initialisation (section 2.1): parameters whose role says so, as the weights of convolutions and fully connected
 * layers, Xavier uniform, U(-a, a) with a = sqrt(6 / (fanIn + fanOut)) of a shape [out, in, ...window]; all others stay as their
 * layers made them, biases 0, BN gamma 1 and beta 0. Each drawn parameter has a random stream of its own, named by its layer's
 * path where it is called "weight" and else by its own, so two models share the weights of the layers they share.
 */
export function xavierUniform(model: Module, seed: number): void {
  noGradient(() => {
    for (const [name, parameter] of model.parameters()) {
      if (parameter.role.starts !== "xavier") continue;
      const [out = 1, input = 1, ...window] = parameter.shape;
      const bound = Math.sqrt(6 / window.reduce((product, size) => product * size, input + out));
      using generator = new Generator(seedFor(seed, "initialise", streamName(name)));
      uniformInPlace(parameter, -bound, bound, generator);
    }
  });
}

/** "layer1.0.conv1" of "layer1.0.conv1.weight"; "pos_embed" of itself. */
function streamName(parameter: string): string {
  return parameter === "weight" ? "" : parameter.replace(/\.weight$/, "");
}
