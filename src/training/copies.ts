/** Values of tensors by name: taken out, and put back in place. */
import { fromRawTensor, rawTensor } from "../nn/state-dict.js";
import { noGradient } from "../tensor/autograd.js";
import { copyInPlace } from "../tensor/ops.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import type { Tensor } from "../tensor/tensor.js";

export function snapshot(tensors: Iterable<[string, Tensor]>, prefix = ""): Map<string, RawTensor> {
  return new Map(Array.from(tensors, ([name, tensor]) => [prefix + name, rawTensor(tensor)]));
}

export function copyFrom(raw: ReadonlyMap<string, RawTensor>, tensors: Iterable<[string, Tensor]>): void {
  noGradient(() => {
    for (const [name, tensor] of tensors) {
      const source = raw.get(name);
      if (!source) continue;
      using values = fromRawTensor(source);
      copyInPlace(tensor, values);
    }
  });
}

export function copyAll(targets: ReadonlyMap<string, Tensor>, sources: ReadonlyMap<string, Tensor>): void {
  noGradient(() => {
    for (const [name, target] of targets) {
      const source = sources.get(name);
      if (source) copyInPlace(target, source);
    }
  });
}
