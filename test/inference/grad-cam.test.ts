/** Heat is where pytorch-grad-cam has it (test/python/grad_cam.py), for networks of each family; overlays show it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { enlarged, gradCam } from "../../src/inference/grad-cam.js";
import type { ModelOptions } from "../../src/models/entry.js";
import { createModel } from "../../src/models/registry.js";
import type { Module } from "../../src/nn/module.js";
import { noGradient } from "../../src/tensor/autograd.js";
import { copyInPlace } from "../../src/tensor/ops.js";
import { liveTensors, scope } from "../../src/tensor/scope.js";
import { Tensor } from "../../src/tensor/tensor.js";
import { repositoryRoot } from "../support/oracle.js";

interface Case {
  readonly side: number;
  readonly every: number;
  readonly labels: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly maps: readonly (readonly (readonly number[])[])[];
}

const cases: Record<string, Case> = JSON.parse(
  readFileSync(join(repositoryRoot, "test/inference/grad-cam.json"), "utf8"),
);
const NAMES: Record<string, string> = { cifar_resnet20: "resnet20" };
const OPTIONS: Record<string, ModelOptions> = { resnet50d: { width: 8 } };

/** Numbers from 0 to 1 that any language makes of a name. */
function invented(name: string, count: number): Float64Array {
  const seed = [...name].reduce((sum, letter, at) => sum + (at + 1) * letter.charCodeAt(0), 0) % 9973;
  return Float64Array.from({ length: count }, (_, at) => {
    const number = Math.sin(seed + at * 78.233) * 43758.5453;
    return number - Math.floor(number);
  });
}

function weights(name: string, shape: readonly number[]): Float32Array {
  const product = (sides: readonly number[]) => sides.reduce((a, b) => a * b, 1);
  const numbers = invented(name, product(shape));
  const of = (value: (number: number) => number) => Float32Array.from(numbers, value);
  if (shape.length > 1) {
    const scale = Math.sqrt(3 / product(shape.slice(1)));
    return of((number) => (2 * number - 1) * scale);
  }
  if (name.endsWith("running_mean")) return of((number) => (number - 0.5) / 5);
  return of(name.endsWith("bias") ? (number) => number - 0.5 : (number) => number + 0.5);
}

function fill(model: Module): void {
  scope(() =>
    noGradient(() => {
      for (const [name, tensor] of model.state()) {
        if (!name.endsWith("num_batches_tracked"))
          copyInPlace(tensor, Tensor.from(weights(name, tensor.shape), tensor.shape));
      }
    }),
  );
}

for (const [name, { side, every, labels, logits, maps }] of Object.entries(cases)) {
  test(`${name}: the heat is pytorch-grad-cam's to 1e-3`, () => {
    const before = liveTensors();
    {
      using model = createModel(
        NAMES[name] ?? name,
        { classes: logits[0]?.length ?? 0, inChannels: 3 },
        OPTIONS[name],
      ).eval();
      fill(model);
      const pixels = Float32Array.from(invented("images", 2 * 3 * side * side), (number) => 4 * number - 2);
      using images = Tensor.from(pixels, [2, 3, side, side]);
      const explained = gradCam(model, images, (image) => labels[image] as number);
      for (const [image, { logits: own, label, heat }] of explained.entries()) {
        assert.equal(label, labels[image]);
        for (const [at, logit] of (logits[image] as number[]).entries()) {
          assert.ok(
            Math.abs((own[at] as number) - logit) < 1e-3 * Math.max(1, Math.abs(logit)),
            `${own}, not ${logits[image]}`,
          );
        }
        const { values } = enlarged(heat, side, side);
        assert.ok(values.some((value) => value > 0.99));
        for (const [y, row] of (maps[image] as number[][]).entries()) {
          for (const [x, value] of row.entries()) {
            const here = values[y * every * side + x * every] as number;
            assert.ok(Math.abs(here - value) < 1e-3, `image ${image}, ${y}, ${x}: ${here}, not ${value}`);
          }
        }
      }
      const [first] = gradCam(model, images);
      assert.equal(first?.label, first?.logits.indexOf(Math.max(...(first?.logits ?? []))), "else the likeliest class");
    }
    assert.equal(liveTensors(), before);
  });
}
