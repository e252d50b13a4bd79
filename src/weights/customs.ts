/** What goes without saying about weights that others trained, by the model's name. */
import type { ModelOptions } from "../models/registry.js";

interface Customs {
  readonly models: RegExp;
  /** Mean and standard deviation of every channel. */
  readonly normalisation: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /** Options with which knack builds what timm builds under this name. */
  readonly timmOptions: ModelOptions;
  /** The same options as knack has them by default. */
  readonly ownOptions: ModelOptions;
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
/** Pixels from -1 to 1. torchvision's Inception takes ImageNet's normalisation and converts it to this. */
const HALF = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

const CUSTOMS: readonly Customs[] = [
  { models: /^inception_/, normalisation: HALF, timmOptions: {}, ownOptions: {} },
  {
    models: /^mobilenetv1_/,
    normalisation: HALF,
    timmOptions: { act_layer: "relu6" },
    ownOptions: { act_layer: "relu" },
  },
  { models: /^/, normalisation: IMAGENET, timmOptions: {}, ownOptions: {} },
];

export function customsOf(model: string): Customs {
  return CUSTOMS.find(({ models }) => models.test(model)) as Customs;
}
