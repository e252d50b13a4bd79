import { InputError } from "../base/errors.js";
import { noGradient } from "../tensor/autograd.js";
import { copyInPlace } from "../tensor/ops.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { Tensor } from "../tensor/tensor.js";
import type { Module } from "./module.js";

/** Copies every parameter and buffer out of a module, under its state dict name. */
export function stateDict(module: Module): Map<string, RawTensor> {
  return new Map(Array.from(module.state(), ([name, tensor]) => [name, rawTensor(tensor)]));
}

/** A tensor's contents, copied to JavaScript. */
export function rawTensor(tensor: Tensor): RawTensor {
  return { dtype: tensor.dtype, shape: tensor.shape, data: tensor.bytes() };
}

/** A tensor with these contents. */
export function fromRawTensor(raw: RawTensor): Tensor {
  return Tensor.from(raw.data, raw.shape, raw.dtype);
}

/**
 * Copies weights into a module, converting dtype and device.
 *
 * @param where the file the weights came from, for the message.
 * @throws InputError that lists the missing, unexpected and wrongly shaped entries all at once (10 names of each kind); then nothing was copied. A
 *   missing `num_batches_tracked` is no fault: old PyTorch files lack it.
 */
export function loadStateDict(module: Module, weights: ReadonlyMap<string, RawTensor>, where: string): void {
  const own = new Map(module.state());
  const missing = [...own.keys()].filter((name) => !weights.has(name) && !name.endsWith("num_batches_tracked"));
  const unexpected = [...weights.keys()].filter((name) => !own.has(name));
  const mismatched: string[] = [];
  for (const [name, tensor] of own) {
    const raw = weights.get(name);
    if (raw && raw.shape.join() !== tensor.shape.join()) {
      mismatched.push(`${name} is [${raw.shape.join(", ")}], the model's is [${tensor.shape.join(", ")}]`);
    }
  }
  const faults = [
    list("missing", missing),
    list("unexpected", unexpected),
    list("of another shape", mismatched),
  ].filter((fault) => fault !== "");
  if (faults.length > 0) throw new InputError(`${where}: the weights do not fit the model: ${faults.join("; ")}`);
  noGradient(() => {
    for (const [name, tensor] of own) {
      const raw = weights.get(name);
      if (!raw) continue;
      using source = fromRawTensor(raw);
      copyInPlace(tensor, source);
    }
  });
}

/** A line that a person still reads: a model of another kind has hundreds of names. */
const MOST_LISTED = 10;

function list(kind: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const shown = names.slice(0, MOST_LISTED).join(", ").replace(/\s+/g, " ");
  const more = names.length > MOST_LISTED ? `, and ${names.length - MOST_LISTED} more` : "";
  return `${names.length} ${kind} (${shown}${more})`;
}
