import { InputError } from "../base/errors.js";
import { kindOf } from "../data/kinds/kinds.js";
import { makeBatch } from "../data/loading/batch.js";
import type { LabelledSet, Split } from "../data/split.js";
import { Explainer } from "../inference/explainer.js";
import type { Measured } from "./measure.js";
import { type Thumbnail, thumbnailOf } from "./thumbnail.js";

/** An image of the measured set, and the class that it was taken for. */
interface Taken {
  readonly index: number;
  readonly predicted: number;
}

/** Where the network saw what it took each of these images for; nothing where its kind of network does not tell, or an image is gone. */
export async function heatsOf(
  { set, network }: Pick<Measured, "set" | "network">,
  images: readonly Taken[],
): Promise<(Thumbnail | undefined)[]> {
  if (network === undefined) return images.map(() => undefined);
  using explainer = new Explainer(network.path, network.device);
  const heats: (Thumbnail | undefined)[] = [];
  for (const image of images) heats.push(await heatOf(explainer, set, image));
  return heats;
}

async function heatOf(
  explainer: Explainer,
  set: LabelledSet,
  { index, predicted }: Taken,
): Promise<Thumbnail | undefined> {
  const source = { set: set as Split, augmentation: undefined, seed: 0 }; // it is as the network sees it
  const { pixels, labels } = await makeBatch(source, 0, Uint32Array.of(index));
  if (labels.length === 0) return undefined;
  try {
    const pixelated = kindOf(set).nameOf(set, index) === undefined;
    return await thumbnailOf(explainer.explain(pixels, predicted).overlay, pixelated);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}
