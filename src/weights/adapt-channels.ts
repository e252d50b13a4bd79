import type { Module } from "../nn/module.js";
import { fromRawTensor, rawTensor } from "../nn/state-dict.js";
import { concatenate, mulEach, narrow, sum, toDType } from "../tensor/ops.js";
import type { RawTensor } from "../tensor/raw-tensor.js";
import { scope } from "../tensor/scope.js";
import type { Tensor } from "../tensor/tensor.js";

/** A weight of so many dimensions, [out, in, height, width], goes over images; the first one sees the picture's channels. */
const IMAGE_DIMENSIONS = 4;
const COLOURS = 3;

/** Whether weights for images of so many channels can be made ones for others. */
export function canAdapt(from: number, to: number): boolean {
  return from === to || from === COLOURS || from === 1 || to === 1;
}

/** The name of a model's first convolution's weight. */
export function stemOf(model: Module): string | undefined {
  return [...model.parameters()].find(([, { shape }]) => shape.length === IMAGE_DIMENSIONS)?.[0];
}

/**
 * Makes the first convolution fit other channels, as timm's `adapt_input_conv`: for one channel its weights are summed, for more they are
 * taken again in turn and scaled by old / new channels, so that a grey picture gives the same sums.
 *
 * @param weights changed in place
 * @returns what was done, for people; undefined where nothing was
 */
export function adaptChannels(model: Module, weights: Map<string, RawTensor>): string | undefined {
  const stem = stemOf(model) ?? "";
  const raw = weights.get(stem);
  const own = new Map(model.parameters()).get(stem);
  const [outputs = 0, from = 0, ...kernel] = raw?.shape ?? [];
  const to = own?.shape[1] ?? from;
  const fits = own?.shape.join() === [outputs, to, ...kernel].join();
  if (!raw || !fits || from === to || !canAdapt(from, to)) return undefined;
  const adapted = scope(() => {
    const weight = toDType(fromRawTensor(raw), "float32");
    if (to === 1) return rawTensor(sum(weight, [1], true));
    const slices = Array.from({ length: to }, (_, channel) => narrow(weight, 1, channel % from, 1));
    return rawTensor(mulEach([concatenate(slices, 1)], from / to)[0] as Tensor);
  });
  weights.set(stem, adapted);
  const how = to === 1 ? "summed" : `taken again in turn, times ${from}/${to}`;
  return `${stem} made for ${to} of ${from} channels: its weights are ${how}`;
}
