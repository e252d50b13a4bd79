import { noGradient } from "../tensor/autograd.js";
import { Generator } from "../tensor/generator.js";
import { uniformInPlace } from "../tensor/ops.js";
import { seedFor } from "../tensor/random.js";
import { Conv2d } from "./layers/conv2d.js";
import { Linear } from "./layers/linear.js";
import type { Module } from "./module.js";

/**
 * The paper's initialisation (section 2.1): convolution and linear weights Xavier uniform, U(-a, a) with
 * a = sqrt(6 / (fanIn + fanOut)); biases 0, BN gamma 1 and beta 0, as the layers are made. Each weight has a random stream of
 * its own, named by its path, so two models share the weights of the layers they share.
 */
export function xavierUniform(model: Module, seed: number): void {
  noGradient(() => {
    for (const [path, module] of model.modules()) {
      if (!(module instanceof Conv2d || module instanceof Linear)) continue;
      const [out = 1, input = 1, height = 1, width = 1] = module.weight.shape;
      const bound = Math.sqrt(6 / ((input + out) * height * width));
      using generator = new Generator(seedFor(seed, "initialise", path));
      uniformInPlace(module.weight, -bound, bound, generator);
    }
  });
}
